// bytecpu-eval model on a dataset of files: bits a byte by kind, and conversions.
#include <numeric>

#include "eval/commands/eval_commands.hpp"
#include "eval/files/file_scores.hpp"

namespace bytecpu {

using nlohmann::ordered_json;

void evaluate_documents(const DocumentsOptions& o, const std::filesystem::path& training_folder) {
  const FileDataset data(o.data.data);
  const auto model = load_file_model(o.checkpoint, o.predictor);
  const auto in_split = static_cast<int64_t>(data.size(o.data.split));
  if (in_split == 0) throw Error("{}: there are no {} documents", o.data.data, to_string(o.data.split));
  const int64_t documents = o.data.traces > 0 ? std::min(o.data.traces, in_split) : in_split;
  auto document = new_document({{"name", model->name()}, {"details", model->details()}},
                               {{"source", o.data.data},
                                {"split", to_string(o.data.split)},
                                {"documents", documents},
                                {"documents_in_split", in_split},
                                {"generator", data.manifest().generator}});
  add_record(document, training_folder);
  document["kinds"] = ordered_json::array();
  if (model->predicts_bytes()) {
    cli::Progress progress("eval", "documents", static_cast<double>(documents));
    const auto scores = evaluate_files(*model, data, {o.data.split, documents, o.conversions},
                                       [&](int64_t done) { progress.update(static_cast<double>(done)); });
    for (const auto& kind : scores) document["kinds"].push_back(to_json(kind));
  }
  if (!model->labels().empty()) {
    cli::Progress labelled("eval labels", "documents", static_cast<double>(documents));
    document["labels"] =
        to_json(evaluate_labels(*model, data, {o.data.split, documents, 0},
                                [&](int64_t done) { labelled.update(static_cast<double>(done)); }));
  }
  write_results(o.output, document);
}

}  // namespace bytecpu
