#include "model/inference/steps.hpp"

#include <algorithm>

#include "emulator/error.hpp"
#include "model/inference/decode.hpp"

namespace bytecpu {
namespace {

// Which of ByteModel::rows' rows, all documents being complete, are of step `number`: bool [N].
torch::Tensor rows_of(const ByteModel& model, std::span<const Document> documents, int64_t number) {
  const int64_t parts = model.patches_per_step(), given = model.frame().first_scored;
  std::vector<uint8_t> rows;
  for (const auto& document : documents) {
    const int64_t steps = document.count() - given;
    BYTECPU_CHECK(given <= number && number <= document.count());
    const size_t first = rows.size() + (number - given) * parts;
    rows.resize(rows.size() + steps * parts + 1);  // the end is one patch
    std::fill_n(rows.begin() + first, number < document.count() ? parts : 1, 1);
  }
  return torch::tensor(rows, torch::kByte).to(torch::kBool);
}

StepPrediction empty_prediction(size_t steps, size_t step_bytes) {
  return {.steps = std::vector<uint8_t>(steps * step_bytes),
          .ended = std::vector<uint8_t>(steps),
          .nats = std::vector<float>(steps),
          .confidence = std::vector<float>(steps, 1)};
}

// Which rows open a step: those before which the row is of another one. Bool [N].
torch::Tensor opening(const Rows& rows) {
  const int64_t count = rows.patches.size(0);
  auto opens = torch::ones({count}, torch::kBool);
  const auto changes = [&](const torch::Tensor& x) { return x.slice(0, 1).ne(x.slice(0, 0, count - 1)); };
  if (count > 1) opens.slice(0, 1) = changes(rows.step) | changes(rows.document);
  return opens;
}

}  // namespace

std::vector<StepPrediction> predict_steps(ByteModel& model, std::span<const Document> documents,
                                          std::optional<int64_t> only) {
  c10::InferenceMode inference;
  const int64_t bytes = model.frame().step_bytes, given = model.frame().first_scored;
  std::vector<Document> whole(documents.begin(), documents.end());
  std::vector<StepPrediction> predicted;
  for (auto& document : whole) {
    document.complete = true;
    predicted.push_back(empty_prediction(only ? 1 : document.count() + 1 - given, bytes));
  }

  const auto rows =
      model.rows(whole, Targets::scored, only ? rows_of(model, documents, *only) : torch::Tensor());
  const int64_t count = rows.patches.size(0), patch = model.config().patch_size;
  if (count == 0) return predicted;
  const auto opens = opening(rows);
  const auto decoded = decode(model, rows.condition, rows.patches, opens.to(model.device()));
  const auto patches = decoded.patches.to(torch::kCPU).contiguous();
  const auto ended = decoded.ended.to(torch::kCPU);
  const auto nats = decoded.draft_nats.to(torch::kCPU), confidence = decoded.confidence.exp().to(torch::kCPU);
  for (int64_t row = 0, part = 0; row < count; ++row) {
    part = opens.data_ptr<bool>()[row] ? 0 : part + 1;
    auto& out = predicted[rows.document.data_ptr<int64_t>()[row]];
    const int64_t step = only ? 0 : rows.step.data_ptr<int64_t>()[row] - given;
    out.nats[step] += nats.data_ptr<float>()[row];
    if (out.ended[step]) continue;  // in a patch before
    out.confidence[step] *= confidence.data_ptr<float>()[row];
    if (ended.data_ptr<bool>()[row]) out.ended[step] = 1;
    if (out.ended[step]) continue;
    const int64_t* symbols_of_row = patches.data_ptr<int64_t>() + row * patch;
    std::copy(symbols_of_row, symbols_of_row + patch, out.steps.begin() + step * bytes + part * patch);
  }
  return predicted;
}

}  // namespace bytecpu
