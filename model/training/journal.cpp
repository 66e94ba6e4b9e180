#include "model/training/journal.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"
#include "model/compute/device.hpp"
#include "model/training/optimizer.hpp"

namespace bytecpu {
namespace {

// What a loss is the mean over.
const char* predicted_unit(const ByteModel& model) { return model.predicts_bytes() ? "byte" : "label"; }

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// The lines up to `last_step`.
std::string kept_lines(const fs::path& path, int64_t last_step) {
  std::string kept;
  if (last_step == 0 || !fs::exists(path)) return kept;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    const auto json = ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.value("step", last_step + 1) <= last_step) kept += line + "\n";
  }
  return kept;
}

}  // namespace

Journal::Journal(const fs::path& run, const TrainConfig& config, const ByteModel& model,
                 const Progress& progress, Ranks& ranks)
    : config_(config),
      model_(model),
      ranks_(ranks),
      path_(run / "metrics.jsonl"),
      peak_(peak_flops(config.peak_tflops, config.precision, model.device()) * ranks.size()),
      logged_flops_(progress.flops),
      logged_seconds_(progress.seconds) {
  if (!ranks.first()) return;
  write_file(path_, kept_lines(path_, progress.step));
  out_.open(path_, std::ios::app);
  if (config.tensorboard) events_.emplace(run, progress.step);
}

void Journal::count(const StepPart& part) {
  steps_seen_ +=
      static_cast<double>(model_.predicts_bytes() ? part.seen / model_.patches_per_step() : part.seen);
  for (const auto& batch : part.batches) {
    int64_t longest = 0;
    for (const auto& document : batch.documents) {
      const int64_t length = model_.length(document);
      longest = std::max(longest, length);
      patches_ += static_cast<double>(length);
    }
    padded_patches_ += static_cast<double>(longest * std::ssize(batch.documents));
  }
}

void Journal::log(Progress& progress) {
  std::array sums = {steps_seen_, patches_, padded_patches_};
  ranks_.sum(sums);
  if (ranks_.first()) tell(progress, sums);
  progress.loss_sum = progress.norm_sum = 0;
  progress.logged_step = progress.step;
  logged_seconds_ = progress.seconds;
  logged_flops_ = progress.flops;
  steps_seen_ = patches_ = padded_patches_ = 0;
}

void Journal::tell(const Progress& progress, const std::array<double, 3>& sums) {
  const auto [steps_seen, patches, padded_patches] = sums;
  const double seconds = progress.seconds - logged_seconds_,
               steps = static_cast<double>(progress.step - progress.logged_step);
  const double padding = padded_patches > 0 ? 1 - patches / padded_patches : 0;
  const double rate = steps_seen / seconds, flops = (progress.flops - logged_flops_) / seconds;
  const double done = spent_share(config_, progress);
  const double learning_rate = config_.learning_rate * learning_rate_share(config_, done);
  ordered_json line = {{"step", progress.step},
                       {"loss", progress.loss_sum / steps},
                       {"lr", learning_rate},
                       {"gradient_norm", progress.norm_sum / steps},
                       {"states_per_second", rate},
                       {"tokens_per_second", rate * model_.frame().step_bytes},
                       {"gflops", flops / 1e9},
                       {"padding", padding},
                       {"wrong_share", progress.wrong_share},
                       {"seconds", progress.seconds}};
  std::string utilisation;
  if (peak_ > 0) {
    line["mfu"] = flops / peak_;
    utilisation = fmt::format(", MFU {:.1f} %", 100 * flops / peak_);
  }
  write(line);
  const char* unit = !model_.predicts_bytes()                    ? "labels"
                     : model_.frame().kind == DocumentKind::file ? "patches"
                                                                 : "states";
  const double left = done > 0 ? progress.seconds * (1 / done - 1) : 0;
  fmt::print("step {:>7}  loss {:.5f} nats/{}  lr {:.2e}  {:.0f} {}/s  {:.0f} GFLOP/s{}  ", progress.step,
             progress.loss_sum / steps, predicted_unit(model_), learning_rate, rate, unit, flops / 1e9,
             utilisation);
  fmt::print("padding {:.1f} %  {:.1f} min left\n", 100 * padding, left / 60);
  std::fflush(stdout);
}

void Journal::log(const Progress& progress, const Validation& v) {
  if (!ranks_.first()) return;
  const double bytes = 1 - static_cast<double>(v.wrong_bytes) / static_cast<double>(v.bytes);
  const double steps = 1 - static_cast<double>(v.wrong_steps) / static_cast<double>(v.steps);
  ordered_json line = {
      {"step", progress.step},
      {"seconds", progress.seconds},
      {"validation",
       {{"loss", v.loss}, {"byte_accuracy", bytes}, {"step_accuracy", steps}, {"states", v.steps}}}};
  const bool files = model_.frame().kind == DocumentKind::file;
  if (files) line["validation"]["bits_per_byte"] = v.bits_per_byte;
  write(line);
  const char* predicted = predicted_unit(model_);
  fmt::print("step {:>7}  held out: loss {:.5f}, {} of {} {}s wrong ({:.4f} % right), ", progress.step,
             v.loss, v.wrong_bytes, v.bytes, predicted, 100 * bytes);
  if (files) {
    fmt::print("{:.4f} bits/{}\n", v.bits_per_byte, predicted);
  } else {
    fmt::print("{} of {} states ({:.3f} %)\n", v.wrong_steps, v.steps, 100 * steps);
  }
}

void Journal::write(const ordered_json& line) {
  out_ << line.dump() << std::endl;
  if (!out_) throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
  if (events_) events_->write(line);
}

}  // namespace bytecpu
