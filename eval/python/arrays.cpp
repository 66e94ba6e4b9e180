#include "eval/python/arrays.hpp"

#include <fmt/format.h>
#include <nanobind/stl/string.h>

#include "datagen/io/options.hpp"

namespace nb = nanobind;

namespace bytecpu::python {

nb::object view(std::span<const uint8_t> bytes, std::initializer_list<size_t> shape, nb::handle owner,
                bool writable) {
  if (!writable) return nb::cast(nb::ndarray<nb::numpy, const uint8_t>(bytes.data(), shape, owner));
  return nb::cast(nb::ndarray<nb::numpy, uint8_t>(const_cast<uint8_t*>(bytes.data()), shape, owner));
}

nb::object array(std::vector<uint8_t> bytes, std::initializer_list<size_t> shape) {
  auto* held = new std::vector<uint8_t>(std::move(bytes));
  nb::capsule owner(held, [](void* p) noexcept { delete static_cast<std::vector<uint8_t>*>(p); });
  return view(*held, shape, owner, true);
}

std::span<const uint8_t> bytes_of(const BytesIn& array, size_t each, bool many, const char* what) {
  const bool fits = array.ndim() > 0 && array.shape(array.ndim() - 1) == each &&
                    (array.ndim() == 1 || (many && array.ndim() == 2));
  if (!fits) {
    throw nb::value_error(fmt::format("{}: uint8 [{}{}] is wanted", what, many ? "N, " : "", each).c_str());
  }
  return {array.data(), array.size()};
}

nb::object from_json(const nlohmann::ordered_json& json) {
  return nb::module_::import_("json").attr("loads")(json_text(json));
}

}  // namespace bytecpu::python
