// Arrays and JSON across the border to Python. Arrays that go out are views of what an object holds and keep that
// alive, or have bytes of their own; those that come in are taken as they are, never converted.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <span>
#include <vector>

namespace bytecpu::python {

// What comes in where bytes must lie back to back.
using BytesIn = nanobind::ndarray<const uint8_t, nanobind::c_contig, nanobind::device::cpu>;

// A view of bytes that `owner` holds.
nanobind::object view(std::span<const uint8_t> bytes, std::initializer_list<size_t> shape,
                      nanobind::handle owner, bool writable);
// An array with bytes of its own.
nanobind::object array(std::vector<uint8_t> bytes, std::initializer_list<size_t> shape);

// The bytes of `array`: of `each`, or of any number of rows of them where `many`. Throws nanobind::value_error that
// names it as `what`. Needs no interpreter's lock.
std::span<const uint8_t> bytes_of(const BytesIn& array, size_t each, bool many, const char* what);

// As Python's json module reads it.
nanobind::object from_json(const nlohmann::ordered_json& json);

}  // namespace bytecpu::python
