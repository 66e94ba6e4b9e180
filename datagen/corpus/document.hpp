// A document, which is what a model learns from: bytes that it may look at (the context), then steps of a fixed
// length that it predicts one after the other, then the end. A machine's trace is a document: its memory image
// is the context, its records are the steps. So is a file: its bytes, cut into steps of which the last may be
// short; and a pair of files, of which the first is the context. Everything downstream of the data knows documents
// only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/layout.hpp"
#include "emulator/trace.hpp"

namespace bytecpu {

enum class DocumentKind { trace, file };

// What all documents of a corpus have in common.
struct Frame {
  DocumentKind kind = DocumentKind::trace;
  // Of a machine's traces; names the fields of a step.
  Layout layout = {};
  // Lengths in bytes of the context, and of a step. Of files: each context has a length of its own, 0 here.
  int context_bytes = 0, step_bytes = 0;
  // The first step that is predicted; those before it are given.
  int first_scored = 1;
  // Of files: the labels that are learned, too, as documents of their own; none: no labels.
  std::vector<std::string> labels = {};

  bool operator==(const Frame&) const = default;
};

// That of a machine's traces: predicted from state 1 on; a document may end after any record.
inline Frame frame_of(const Layout& layout) {
  return {DocumentKind::trace, layout, layout.memory_bytes, layout.record_bytes, 1};
}

// That of files, predicted from the first byte on: a document may end after any byte.
inline Frame frame_of_files() { return {DocumentKind::file, {}, 0, 16, 0}; }

// One document, borrowed.
struct Document {
  int step_bytes = 0;
  std::span<const uint8_t> context = {};
  // Back to back; the last one of a file may be short.
  std::span<const uint8_t> steps = {};
  // What the steps are: an extension, without the dot.
  std::string_view extension = "bin";
  // What the context is, where that is a file, too.
  std::optional<std::string_view> context_extension = {};
  // Whether it ends after the last step, so that the end is there to be predicted too; else it was cut.
  bool complete = true;
  // Of each step, which of the corpus's skills the step after it needs; -1: none. Empty where nobody asked.
  std::span<const int16_t> skills = {};

  Document() = default;
  // A trace; `skills` as above.
  explicit Document(const Trace& trace, std::span<const int16_t> skills_ = {})
      : step_bytes(trace.record_bytes),
        context(trace.image()),
        steps(trace.records()),
        complete(trace.complete()),
        skills(skills_) {}

  // A file that stands alone.
  static Document file(std::string_view extension, std::span<const uint8_t> bytes, bool complete = true) {
    Document document;
    document.step_bytes = frame_of_files().step_bytes;
    document.steps = bytes;
    document.extension = extension;
    document.complete = complete;
    return document;
  }
  // The label of a file, which a model predicts as if the file were converted to it. The name is borrowed.
  static Document label(std::string_view name, const Document& of) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(name.data());
    return file("label", {bytes, name.size()}).from(of.extension, of.steps);
  }
  // The same, made from another one.
  Document from(std::string_view of_extension, std::span<const uint8_t> bytes) const {
    Document document = *this;
    document.context = bytes;
    document.context_extension = of_extension;
    return document;
  }

  int64_t count() const { return (std::ssize(steps) + step_bytes - 1) / step_bytes; }
  std::span<const uint8_t> step(int64_t t) const {
    const auto rest = steps.subspan(static_cast<size_t>(t * step_bytes));
    return rest.first(std::min(rest.size(), static_cast<size_t>(step_bytes)));
  }
  // Its first steps, cut there.
  Document first(int64_t count) const {
    Document cut = *this;
    cut.steps = steps.first(std::min(steps.size(), static_cast<size_t>(count * step_bytes)));
    cut.complete = false;
    return cut;
  }
  // Its last steps, as first() of a file that is written from its end.
  Document last(int64_t count) const {
    Document cut = first(count);
    cut.steps = steps.last(cut.steps.size());
    return cut;
  }
};

// Documents that are held together: a machine's traces, with the skills of their steps; or files, which belong to a
// dataset that outlives the pool.
struct Pool {
  TraceBatch traces;
  std::vector<Document> files = {};
  // Of all steps of all traces, or none at all.
  std::vector<int16_t> skills = {};

  explicit Pool(const Layout& layout) : traces(layout) {}

  size_t size() const { return traces.size() + files.size(); }
  Document operator[](size_t i) const {
    if (!files.empty()) return files[i];
    if (skills.empty()) return Document(traces[i]);
    // Steps before this trace: its offset, less the images of the traces up to it.
    const Trace trace = traces[i];
    const auto images = static_cast<int64_t>(i) * traces.memory_bytes;
    const auto first = static_cast<size_t>((traces.offsets[i] - images) / traces.record_bytes);
    return Document(trace, std::span(skills).subspan(first, static_cast<size_t>(trace.states() + 1)));
  }
};

}  // namespace bytecpu
