#include "model/training/trainer.hpp"

#include <chrono>
#include <cmath>
#include <cstring>
#include <fstream>
#include <future>
#include <sstream>
#include <thread>

#include "datagen/io/files.hpp"
#include "emulator/error.hpp"
#include "model/compute/cuda.hpp"
#include "model/compute/product.hpp"
#include "model/compute/torch_compat.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/tensorboard.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Targets targets_of(const TrainConfig& config) {
  return config.loss == "all" ? Targets::all : Targets::states;
}

TraceView view(const TraceBatch& pool, size_t i) {
  return {.bytes = pool.trace(i), .complete = pool.stops[i] == StopReason::halted};
}

std::vector<TraceView> views(const TraceBatch& pool, const std::vector<size_t>& indices) {
  std::vector<TraceView> result;
  for (size_t i : indices) result.push_back(view(pool, i));
  return result;
}

BatchPlan plan(const ByteModel& model, const TraceBatch& pool, const TrainConfig& config, uint64_t seed) {
  std::vector<int64_t> lengths(pool.size());
  for (size_t i = 0; i < pool.size(); ++i) lengths[i] = pool.offsets[i + 1] - pool.offsets[i];
  return plan_batches(lengths, model.config().patch_size, model.extra_patches(), config.batch_patches, seed);
}

// Keeps the running hardness of every operation, and draws the hard ones more often.
class OperationMix {
 public:
  // Errors are rare, so that more states are averaged over than for losses.
  OperationMix(const TraceSource& source, std::string_view by)
      : source_(source),
        hardness_(source.operations().size(), 1.0),
        sum_(hardness_.size()),
        count_(hardness_.size()),
        states_(by == "errors" ? 500 : 50) {}

  // hardness F32 [N] of each row: its loss, or 1 where it is predicted wrongly. Counts from update() on.
  void observe(std::span<const TraceView> traces, const Rows& rows, const torch::Tensor& hardness) {
    if (hardness_.empty()) return;
    const auto hard = hardness.to(torch::kCPU, torch::kFloat).contiguous();
    const auto& layout = source_.layout();
    for (int64_t i = 0; i < hard.size(0); ++i) {
      const int64_t record = rows.record.data_ptr<int64_t>()[i] - 1;  // the one whose instruction runs
      if (record < 0) continue;
      const auto& bytes = traces[rows.trace.data_ptr<int64_t>()[i]].bytes;
      const int operation = source_.operation(
          bytes.subspan(layout.memory_bytes + record * layout.record_bytes, layout.record_bytes));
      if (operation < 0) continue;
      sum_[operation] += hard.data_ptr<float>()[i];
      count_[operation] += 1;
    }
  }
  // Means over about so many of the last states, at least over those of five calls.
  void update() {
    for (size_t k = 0; k < hardness_.size(); ++k) {
      if (count_[k] > 0)
        hardness_[k] += (sum_[k] / count_[k] - hardness_[k]) * std::min(0.2, count_[k] / states_);
      sum_[k] = count_[k] = 0;
    }
  }

  // Square root of the running mean as a share of the largest, at least `floor`. Where even the largest is
  // less than 1e-5 all are hardly practised, and equally.
  std::vector<double> weights(double floor) const {
    if (hardness_.empty()) return {};
    const double most = std::max(1e-5, *std::max_element(hardness_.begin(), hardness_.end()));
    std::vector<double> weights;
    for (double hard : hardness_) weights.push_back(std::max(floor, std::sqrt(std::max(0.0, hard) / most)));
    return weights;
  }

  std::vector<double>& hardness() { return hardness_; }

 private:
  const TraceSource& source_;
  std::vector<double> hardness_;
  std::vector<double> sum_, count_;  // of what is observed and not yet in the means
  double states_;
};

// What a pool's programs are drawn with, besides what all pools have in common.
struct Drawing {
  std::vector<double> weights;  // of operations
  int longest = 0;              // instructions of a program at most
};

// The most instructions of programs drawn when a share `done` of the training is over.
int longest_program(const TrainConfig& config, const ProgramOptions& programs, double done) {
  if (done >= config.length_warmup) return programs.max_instructions;
  const double most = programs.max_instructions, least = std::min(16.0, most);
  const auto grown = static_cast<int>(least * std::pow(most / least, done / config.length_warmup));
  return std::max(programs.min_instructions, grown);
}

// Traces trained on together, and the pool that they lie in.
struct Batch {
  std::shared_ptr<const TraceBatch> pool;
  std::vector<TraceView> traces;
};

// What one backward pass is of.
struct Part {
  std::vector<Batch> batches;
  std::vector<TraceView> traces;                 // of all of them
  int64_t predicted = 0, seen = 0, trained = 0;  // patches: the traces', those looked at, and the chosen ones
  torch::Tensor chosen;                          // as in ByteModel::rows; undefined: all
  bool observed = false;                         // when they were chosen
  torch::Tensor loss, wrong;  // scalars: nats a byte and share of wrong states, means over all seen
};

// Where a training stands: all that a resumed one needs besides parameters and moments.
struct Progress {
  int64_t step = 0;
  double seconds = 0;
  double flops = 0;
  uint64_t pool = 0;                  // being trained on
  size_t batch = 0;                   // of the pool's plan, the next
  Drawing drawing, next_drawing;      // of this pool and of the one after
  double wrong_share = 1;             // running mean of the share of states predicted wrongly
  int64_t logged_step = 0;            // that of the last log line
  double loss_sum = 0, norm_sum = 0;  // since then
  double smooth_loss = 0;             // running mean
};

ordered_json to_json(const Progress& p, const std::vector<double>& operation_hardness) {
  return {{"step", p.step},
          {"seconds", p.seconds},
          {"flops", p.flops},
          {"pool", p.pool},
          {"batch", p.batch},
          {"weights", p.drawing.weights},
          {"longest", p.drawing.longest},
          {"next_weights", p.next_drawing.weights},
          {"next_longest", p.next_drawing.longest},
          {"wrong_share", p.wrong_share},
          {"logged_step", p.logged_step},
          {"loss_sum", p.loss_sum},
          {"norm_sum", p.norm_sum},
          {"smooth_loss", p.smooth_loss},
          {"operation_hardness", operation_hardness}};
}

void from_json(const ordered_json& j, Progress& p, std::vector<double>& operation_hardness) {
  j.at("step").get_to(p.step);
  j.at("seconds").get_to(p.seconds);
  p.flops = j.value("flops", 0.0);
  j.at("pool").get_to(p.pool);
  j.at("batch").get_to(p.batch);
  j.at("weights").get_to(p.drawing.weights);
  j.at("longest").get_to(p.drawing.longest);
  j.at("next_weights").get_to(p.next_drawing.weights);
  j.at("next_longest").get_to(p.next_drawing.longest);
  j.at("wrong_share").get_to(p.wrong_share);
  p.logged_step = j.value("logged_step", p.step);
  j.at("loss_sum").get_to(p.loss_sum);
  j.at("norm_sum").get_to(p.norm_sum);
  j.at("smooth_loss").get_to(p.smooth_loss);
  j.at("operation_hardness").get_to(operation_hardness);
}

Progress load_progress(const fs::path& checkpoint, std::vector<double>& operation_hardness) {
  if (!fs::exists(checkpoint / "optimizer.safetensors")) {
    throw Error(
        "{}: weights alone, as export writes them, cannot be resumed: train into a new folder with --init {}",
        checkpoint.string(), checkpoint.string());
  }
  const auto state = load_training_state(checkpoint);
  Progress progress;
  try {
    from_json(state, progress, operation_hardness);
  } catch (const nlohmann::json::exception& e) {
    throw Error("{}: {}", (checkpoint / "training.json").string(), e.what());
  }
  return progress;
}

// Share of the budget that is spent.
double spent_share(const TrainConfig& config, const Progress& progress) {
  if (config.steps > 0) return static_cast<double>(progress.step) / static_cast<double>(config.steps);
  if (config.petaflops > 0) return progress.flops / (config.petaflops * 1e15);
  return progress.seconds / (60 * config.minutes);
}

// metrics.jsonl, on resuming without the lines that will be written again.
class Metrics {
 public:
  Metrics(const fs::path& path, int64_t last_step, bool tensorboard) {
    std::string kept;
    if (last_step > 0 && fs::exists(path)) {
      std::istringstream lines(read_file(path));
      for (std::string line; std::getline(lines, line);) {
        const auto json = ordered_json::parse(line, nullptr, /*allow_exceptions=*/false);
        if (json.is_object() && json.value("step", last_step + 1) <= last_step) kept += line + "\n";
      }
    }
    write_file(path, kept);
    out_.open(path, std::ios::app);
    path_ = path;
    if (tensorboard) events_.emplace(path.parent_path(), last_step);
  }
  void write(const ordered_json& line) {
    out_ << line.dump() << std::endl;
    if (!out_) throw Error("{}: cannot write: {}", path_.string(), std::strerror(errno));
    if (events_) events_->write(line);
  }

 private:
  fs::path path_;
  std::ofstream out_;
  std::optional<EventFile> events_;
};

// As long as it lives the model's parameters are their running means.
class Averaged {
 public:
  explicit Averaged(Optimizer& optimizer) : optimizer_(optimizer) { optimizer_.exchange_averages(); }
  ~Averaged() { optimizer_.exchange_averages(); }
  Averaged(const Averaged&) = delete;
  Averaged& operator=(const Averaged&) = delete;

 private:
  Optimizer& optimizer_;
};

struct Validation {
  double loss = 0;  // nats a byte
  int64_t bytes = 0, wrong_bytes = 0, states = 0, wrong_states = 0;
};

// Every byte predicted from the true bytes before it.
Validation validate(ByteModel& model, const TraceBatch& held_out, const TrainConfig& config) {
  torch::NoGradGuard no_grad;
  Validation v;
  double nats = 0;
  for (const auto& batch : plan(model, held_out, config, 0)) {
    const auto rows = model.rows(views(held_out, batch), Targets::states);
    if (rows.patches.size(0) == 0) continue;
    const auto loss = cross_entropy(model.logits(rows.condition, rows.patches), rows.patches);
    nats += loss.nats.item<double>() * static_cast<double>(rows.patches.numel());
    v.bytes += rows.patches.numel();
    v.wrong_bytes += loss.mistakes.sum().item<int64_t>();
    // A record is wrong where any of its patches is.
    const auto& layout = model.config().layout;
    const auto key = rows.trace * (layout.memory_bytes + (1 << 20)) + rows.record;
    const auto wrong = loss.mistakes.to(torch::kCPU).gt(0);
    v.states += std::get<0>(at::_unique2(key)).size(0);
    v.wrong_states += std::get<0>(at::_unique2(key.masked_select(wrong))).size(0);
  }
  v.loss = v.bytes ? nats / static_cast<double>(v.bytes) : 0;
  return v;
}

}  // namespace

bool finished(const TrainConfig& config, const fs::path& checkpoint) {
  std::vector<double> operation_hardness;
  return spent_share(config, load_progress(checkpoint, operation_hardness)) >= 1;
}

TrainingEnd train(ByteModel& model, const TrainConfig& config, const TrainingData& data, const fs::path& run,
                  const std::optional<fs::path>& checkpoint, const std::atomic<bool>& stop,
                  const std::function<void()>& accepted) {
  check(config);
  const Targets targets = targets_of(config);

  Optimizer optimizer(model.trained_parameters(), config);
  Progress progress;
  OperationMix mix(data.train, config.operation_mix);
  if (checkpoint) {
    load_weights(*checkpoint / "model.safetensors", model);
    load_optimizer(*checkpoint, optimizer);
    optimizer.exchange_averages();
    progress = load_progress(*checkpoint, mix.hardness());
    if (mix.hardness().size() != data.train.operations().size()) {
      throw Error("{}: was trained on a {}: train into a new folder with --init {}", checkpoint->string(),
                  mix.hardness().empty() ? "dataset, not a stream" : "stream, not a dataset",
                  checkpoint->string());
    }
    optimizer.set_steps(progress.step);
  } else {
    progress.drawing = progress.next_drawing = {.weights = data.programs.operation_weights,
                                                .longest = longest_program(config, data.programs, 0)};
  }
  const auto done = [&] { return spent_share(config, progress); };

  TraceBatch held_out;
  ProgramOptions unskewed = data.programs;  // whole programs as the machine draws them
  unskewed.operation_weights.clear();
  unskewed.small_operands = 0;
  unskewed.window_steps = 0;
  data.held_out.fill(0, unskewed, held_out);
  for (size_t i = 0; i < held_out.size(); ++i) {
    const auto& layout = model.config().layout;
    const int64_t states = (std::ssize(held_out.trace(i)) - layout.start_bytes()) / layout.record_bytes;
    if (states > model.longest_trace()) {
      throw Error("a held-out trace has {} states, the model takes {}: raise patch-length", states,
                  model.longest_trace());
    }
  }

  accepted();
  if (checkpoint) fmt::print("resuming at step {} ({})\n", progress.step, checkpoint->string());
  fs::create_directories(run);
  Metrics metrics(run / "metrics.jsonl", progress.step, config.tensorboard);

  // Pools are drawn one ahead, off this thread.
  const auto draw = [&data](uint64_t index, const Drawing& drawing) {
    return std::async(std::launch::async, [&data, index, drawing] {
      ProgramOptions options = data.programs;
      options.operation_weights = drawing.weights;
      options.max_instructions = drawing.longest;
      TraceBatch pool;
      data.train.fill(index, options, pool);
      return std::make_shared<const TraceBatch>(std::move(pool));
    });
  };
  // Shared, as the batches of one step may lie in two pools.
  std::shared_ptr<const TraceBatch> pool = draw(progress.pool, progress.drawing).get();
  auto next_pool = draw(progress.pool + 1, progress.next_drawing);
  BatchPlan batches = plan(model, *pool, config, config.seed + progress.pool);
  const auto next_batch = [&] {
    while (progress.batch >= batches.size()) {
      ++progress.pool;
      pool = next_pool.get();
      progress.drawing = std::move(progress.next_drawing);
      progress.next_drawing = {.weights = config.operation_mix == "uniform"
                                              ? data.programs.operation_weights
                                              : mix.weights(config.operation_floor),
                               .longest = longest_program(config, data.programs, done())};
      next_pool = draw(progress.pool + 1, progress.next_drawing);
      batches = plan(model, *pool, config, config.seed + progress.pool);
      progress.batch = 0;
    }
    return Batch{pool, views(*pool, batches[progress.batch++])};
  };

  const auto write_validation = [&] {
    const Averaged averaged(optimizer);
    const auto v = validate(model, held_out, config);
    const double bytes = 1 - static_cast<double>(v.wrong_bytes) / static_cast<double>(v.bytes);
    const double states = 1 - static_cast<double>(v.wrong_states) / static_cast<double>(v.states);
    metrics.write(
        {{"step", progress.step},
         {"seconds", progress.seconds},
         {"validation",
          {{"loss", v.loss}, {"byte_accuracy", bytes}, {"step_accuracy", states}, {"states", v.states}}}});
    fmt::print(
        "step {:>7}  held out: loss {:.5f}, {} of {} bytes wrong ({:.4f} % right), {} of {} states ({:.3f} "
        "%)\n",
        progress.step, v.loss, v.wrong_bytes, v.bytes, 100 * bytes, v.wrong_states, v.states, 100 * states);
  };
  int64_t saved_step = checkpoint ? progress.step : -1;
  const auto save = [&] {
    if (saved_step == progress.step) return;
    const Averaged averaged(optimizer);
    save_checkpoint(run, progress.step, model, optimizer, to_json(progress, mix.hardness()));
    saved_step = progress.step;
  };

  const double peak = peak_flops(config, model.device());
  int64_t states = 0, patches = 0, padded_patches = 0;  // since the last log line
  double logged_flops = progress.flops, logged_seconds = progress.seconds;
  const auto observe_wrong = [&](double share) {
    progress.wrong_share += 0.1 * (share - progress.wrong_share);
  };
  // Loss, gradient norm and share of wrong states of the newest steps, each [3], as long as nobody has looked
  // at them: on a GPU to look is to wait, so it is done only where the numbers are used.
  std::vector<torch::Tensor> unread;
  const auto read = [&] {
    const int64_t before = progress.step - std::ssize(unread);
    for (size_t i = 0; i < unread.size(); ++i) {
      const auto numbers = unread[i].to(torch::kCPU, torch::kDouble);
      const double loss = numbers[0].item<double>(), norm = numbers[1].item<double>();
      const int64_t step = before + static_cast<int64_t>(i) + 1;
      progress.smooth_loss = step == 1 ? loss : 0.95 * progress.smooth_loss + 0.05 * loss;
      progress.loss_sum += loss;
      progress.norm_sum += norm;
      if (config.candidates == 1) observe_wrong(numbers[2].item<double>());
      if (!std::isfinite(loss) || !std::isfinite(norm) || progress.smooth_loss > 2 * std::log(symbols)) {
        throw Error(
            "step {}: the training diverges (loss {:.4g}, gradient norm {:.4g}): lower learning-rate or "
            "raise warmup; the last checkpoint is kept",
            step, loss, norm);
      }
    }
    unread.clear();
  };
  // Adds what `traces`, all of the part's or one batch's, predict to the part's means and to the mix.
  const auto observe = [&](Part& part, std::span<const TraceView> traces, const Rows& rows,
                           const Loss& result) {
    const double share = static_cast<double>(rows.patches.size(0)) / static_cast<double>(part.seen);
    part.loss += result.nats.detach() * share;
    part.wrong += result.mistakes.gt(0).to(torch::kFloat).mean() * share;
    if (config.operation_mix == "uniform") return;
    // On a GPU only where it is waited for anyway.
    if (model.device().is_cpu() || config.candidates > 1 || (progress.step + 1) % config.log_every == 0) {
      mix.observe(traces, rows, config.operation_mix == "loss" ? result.row_nats : result.mistakes.gt(0));
    }
  };
  // A batch; or, once few states are wrong, the hardest states of several.
  const auto next_part = [&] {
    const int64_t candidates =
        std::llround(std::clamp(0.1 / progress.wrong_share, 1.0, static_cast<double>(config.candidates)));
    Part part;
    std::vector<torch::Tensor> looked_at;  // of each batch, as in ByteModel::rows
    while (std::ssize(part.batches) < candidates) {
      const auto& batch = part.batches.emplace_back(next_batch());
      int64_t longest = 0;
      for (const auto& t : batch.traces) {
        const int64_t length = std::ssize(t.bytes) / model.config().patch_size + model.extra_patches();
        longest = std::max(longest, length);
        patches += length;
      }
      padded_patches += longest * std::ssize(batch.traces);
      part.traces.insert(part.traces.end(), batch.traces.begin(), batch.traces.end());
      const int64_t predicted = model.predicted(batch.traces, targets);
      const auto& choice = looked_at.emplace_back(model.common_choice(batch.traces, targets));
      part.predicted += predicted;
      part.seen += choice.defined() ? choice.sum().item<int64_t>() : predicted;
    }
    part.trained = part.seen;
    part.loss = torch::zeros({}, model.device());
    part.wrong = torch::zeros({}, model.device());
    if (candidates == 1) {
      part.chosen = looked_at.front();
      return part;
    }
    part.observed = true;
    // One batch after the other: together they would leave the processor's caches.
    torch::NoGradGuard no_grad;
    std::vector<float> nats;
    for (size_t i = 0; i < part.batches.size(); ++i) {
      const auto& batch = part.batches[i];
      const auto& choice = looked_at[i];
      const auto rows = model.rows(batch.traces, targets, choice);
      if (rows.patches.size(0) == 0) continue;
      const auto result = cross_entropy(model.logits(rows.condition, rows.patches), rows.patches);
      observe(part, batch.traces, rows, result);
      const auto of_rows = result.row_nats.to(torch::kCPU).contiguous();
      const float* next = of_rows.data_ptr<float>();
      for (int64_t k = model.predicted(batch.traces, targets), j = 0; j < k; ++j) {
        nats.push_back(!choice.defined() || choice.data_ptr<bool>()[j] ? *next++ : -INFINITY);
      }
    }
    mix.update();
    part.trained = common_size(std::min(part.seen, std::max<int64_t>(1, part.seen / candidates)));
    const auto chosen = hardest(nats, part.trained);
    part.chosen = torch::empty({part.predicted}, torch::kBool);
    std::copy(chosen.begin(), chosen.end(), part.chosen.data_ptr<bool>());
    progress.flops += model.forward_flops(part.traces, targets);
    return part;
  };
  while (done() < 1 && !stop) {
    const auto start = Clock::now();
    std::vector<Part> parts;
    int64_t total = 0;
    while (std::ssize(parts) < config.accumulate) {
      parts.push_back(next_part());
      total += parts.back().trained;
    }

    optimizer.zero_gradients();
    auto numbers = torch::zeros({3}, model.device());
    for (auto& part : parts) {
      if (part.trained == 0) continue;
      const auto rows = model.rows(part.traces, targets, part.chosen);
      const auto result = cross_entropy(model.logits(rows.condition, rows.patches), rows.patches);
      const double share = static_cast<double>(part.trained) / static_cast<double>(total);
      if (!part.observed) {
        observe(part, part.traces, rows, result);
        mix.update();
      }
      if (config.candidates > 1) observe_wrong(part.wrong.item<double>());
      (result.nats * share).backward();
      numbers += torch::stack({part.loss, torch::zeros_like(part.loss), part.wrong}) * share;
      // Backward costs twice the forward pass.
      progress.flops += 3 * model.forward_flops(part.traces, targets) * static_cast<double>(part.trained) /
                        static_cast<double>(part.predicted);
      states += part.seen / model.patches_per_record();
    }
    if (total == 0) continue;  // nothing but states 0
    numbers[1] += optimizer.step(learning_rate_share(config, done()));
    unread.push_back(numbers);
    ++progress.step;
    const auto due = [&](int64_t every) { return every > 0 && progress.step % every == 0; };
    if (!model.device().is_cuda() || due(config.log_every) || due(config.validate_every) ||
        due(config.checkpoint_every)) {
      read();
    }
    progress.seconds += seconds_since(start);

    if (due(config.log_every)) {
      const double seconds = progress.seconds - logged_seconds,
                   steps = static_cast<double>(progress.step - progress.logged_step);
      const double padding =
          padded_patches ? 1 - static_cast<double>(patches) / static_cast<double>(padded_patches) : 0;
      const double rate = static_cast<double>(states) / seconds,
                   flops = (progress.flops - logged_flops) / seconds;
      const double share = learning_rate_share(config, done());
      ordered_json line = {{"step", progress.step},
                           {"loss", progress.loss_sum / steps},
                           {"lr", config.learning_rate * share},
                           {"gradient_norm", progress.norm_sum / steps},
                           {"states_per_second", rate},
                           {"tokens_per_second", rate * model.config().layout.record_bytes},
                           {"gflops", flops / 1e9},
                           {"padding", padding},
                           {"wrong_share", progress.wrong_share},
                           {"seconds", progress.seconds}};
      std::string utilisation;
      if (peak > 0) {
        line["mfu"] = flops / peak;
        utilisation = fmt::format(", MFU {:.1f} %", 100 * flops / peak);
      }
      metrics.write(line);
      const double left = done() > 0 ? progress.seconds * (1 / done() - 1) : 0;
      fmt::print(
          "step {:>7}  loss {:.5f} nats/byte  lr {:.2e}  {:.0f} states/s  {:.0f} GFLOP/s{}  padding {:.1f} % "
          " "
          "{:.1f} min left\n",
          progress.step, progress.loss_sum / steps, config.learning_rate * share, rate, flops / 1e9,
          utilisation, 100 * padding, left / 60);
      std::fflush(stdout);
      progress.loss_sum = progress.norm_sum = 0;
      logged_seconds = progress.seconds;
      progress.logged_step = progress.step;
      logged_flops = progress.flops;
      states = patches = padded_patches = 0;
    }
    if (due(config.validate_every) && done() < 1) write_validation();
    if (due(config.checkpoint_every) && done() < 1) save();
  }
  read();

  if (done() < 1) {
    save();
    fmt::print("stopped at step {}; --resume goes on\n", progress.step);
    return TrainingEnd::stopped;
  }
  write_validation();
  save();
  return TrainingEnd::finished;
}

double peak_flops(const TrainConfig& config, torch::Device device) {
  const bool listed = device.is_cuda() && cuda::built() && config.precision == "bf16";
  if (config.peak_tflops > 0 || !listed) return config.peak_tflops * 1e12;
  // Dense bf16 products, from the makers' data sheets; the first name that the card's contains.
  constexpr std::pair<std::string_view, double> cards[] = {
      {"B200", 2250e12}, {"H200", 989e12}, {"H100 PCIe", 756e12},
      {"H100", 989e12},  {"A100", 312e12}, {"L40S", 362e12},
  };
  const auto name = cuda::card();
  for (const auto& [card, peak] : cards) {
    if (name.find(card) != std::string::npos) return peak;
  }
  return 0;
}

int use_threads(int threads) {
  if (threads <= 0) threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  at::set_num_threads(threads);
  return threads;
}

torch::Device choose_device(const std::string& device) {
  const bool cuda = torch::cuda::is_available();
  if (device == "cuda" && !cuda) throw Error("device cuda: this LibTorch sees no GPU");
  return device != "cpu" && cuda ? torch::kCUDA : torch::kCPU;
}

torch::ScalarType supported_precision(const std::string& precision, torch::Device device) {
  if (precision == "fp32") return torch::kFloat;
  if (device.is_cuda() || cpu_has_bf16()) return torch::kBFloat16;
  fmt::print(stderr, "this processor has no bf16 instructions: computing in fp32\n");
  return torch::kFloat;
}

}  // namespace bytecpu
