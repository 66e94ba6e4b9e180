#include "model/training/trainer.hpp"

#include <chrono>
#include <cmath>
#include <mutex>
#include <utility>

#include "emulator/error.hpp"
#include "model/heads/next_step.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/curriculum.hpp"
#include "model/training/feed.hpp"
#include "model/training/journal.hpp"
#include "model/training/optimizer.hpp"
#include "model/training/part.hpp"
#include "model/training/progress.hpp"
#include "model/training/skills.hpp"
#include "model/training/validation.hpp"

namespace bytecpu {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

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

class Trainer {
 public:
  Trainer(ByteModel& model, const TrainConfig& config, const TrainingData& data, const TrainingRun& run,
          Ranks& ranks)
      : model_(model),
        config_(config),
        data_(data),
        run_(run),
        ranks_(ranks),
        objective_(model, config.loss == "all" ? Targets::all : Targets::scored),
        optimizer_(model.trained_parameters(), config),
        mix_(data.train.skills().size(), config.operation_mix == "errors"),
        held_out_(data.held_out.frame().layout) {}

  // Reads all that is given; throws Error where it does not fit together, having written nothing.
  void prepare() {
    if (run_.checkpoint) {
      resume(*run_.checkpoint);
    } else {
      const Emphasis at_first{.longest = longest_document(config_, data_.train.longest(), 0)};
      progress_.places.assign(config_.accumulate, {.emphasis = at_first, .next_emphasis = at_first});
      for (size_t lane = 0; lane < lanes(); ++lane) progress_.places[lane].pool = lane;
    }
    if (lanes() % ranks_.size() != 0) {
      ranks_.fail(Error("{} processes cannot share {} a step: let accumulate be {} or a multiple of it{}",
                        ranks_.size(), lanes() == 1 ? "one batch" : fmt::format("{} batches", lanes()),
                        ranks_.size(), run_.checkpoint ? ", in a new training" : ""));
    }
    data_.held_out.fill(0, {}, held_out_);
    check_held_out(model_, held_out_);
  }

  TrainingEnd run(const std::atomic<bool>& stop) {
    journal_.emplace(run_.folder ? run_.folder->path() : fs::path(), config_, model_, progress_, ranks_);
    ranks_.copy_first(optimizer_.parameters());
    for (size_t lane = ranks_.rank(); lane < lanes(); lane += ranks_.size()) {
      feeds_.push_back(std::make_unique<Feed>(
          model_, config_, data_.train, progress_.places[lane],
          [this] { return emphasis(config_, data_.train, mix_, done()); }, drawing_, lanes()));
    }
    while (done() < 1 && !stopped(stop)) {
      const auto start = Clock::now();
      if (!learn(next_parts(), stop)) continue;
      const bool last_look =
          due(config_.log_every) || due(config_.validate_every) || due(config_.checkpoint_every);
      if (!model_.device().is_cuda() || last_look) note_losses();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      progress_.seconds += config_.minutes > 0 ? ranks_.of_first(seconds) : seconds;

      if (due(config_.log_every)) journal_->log(progress_);
      if (due(config_.validate_every) && done() < 1) validate();
      if (due(config_.checkpoint_every) && done() < 1) save();
    }
    note_losses();
    const bool finished = done() >= 1;
    if (finished) validate();
    save();
    if (!finished && ranks_.first()) fmt::print("stopped at step {}; --resume goes on\n", progress_.step);
    return finished ? TrainingEnd::finished : TrainingEnd::stopped;
  }

  int64_t step() const { return progress_.step; }

 private:
  double done() const { return spent_share(config_, progress_); }
  bool due(int64_t every) const { return every > 0 && progress_.step % every == 0; }
  size_t lanes() const { return progress_.places.size(); }
  bool stopped(const std::atomic<bool>& stop) const { return ranks_.alone() ? stop.load() : all_stop_; }

  void resume(const fs::path& checkpoint) {
    load_weights(checkpoint / "model.safetensors", model_);
    load_optimizer(checkpoint, optimizer_);
    optimizer_.exchange_averages();
    progress_ = load_progress(checkpoint);
    if (progress_.hardness.size() != mix_.hardness().size()) {
      throw Error("{}: was trained on a {}: train into a new folder with --init {}", checkpoint.string(),
                  mix_.hardness().empty() ? "stream, not a dataset" : "dataset, not a stream",
                  checkpoint.string());
    }
    for (const auto& place : progress_.places) {
      check_emphasis(place.emphasis, checkpoint);
      check_emphasis(place.next_emphasis, checkpoint);
    }
    // One lane: of before there were several.
    if (lanes() != 1 && static_cast<int>(lanes()) != config_.accumulate) {
      throw Error("{}: {} places in the data for {} batches a step: it was altered",
                  (checkpoint / "training.json").string(), lanes(), config_.accumulate);
    }
    mix_.restore(progress_.hardness);
    optimizer_.set_steps(progress_.step);
    saved_step_ = progress_.step;
  }

  void check_emphasis(const Emphasis& emphasis, const fs::path& checkpoint) const {
    const auto weights = emphasis.skills.size();
    if ((weights > 0 && weights != data_.train.skills().size()) || emphasis.longest > data_.train.longest()) {
      throw Error("{}: its weights or lengths are not those of this training's programs: it was altered",
                  (checkpoint / "training.json").string());
    }
  }

  // This rank's share of what the next optimiser step is of: for each part a batch or, once few are wrong, the hardest
  // of several.
  std::vector<StepPart> next_parts() {
    std::vector<StepPart> parts;
    const int64_t count = candidates(progress_.wrong_share, config_.candidates);
    for (auto& feed : feeds_) {
      for (size_t i = 0; i < config_.accumulate / lanes(); ++i) {
        StepPart part = gather(model_, objective_, *feed, count);
        if (count > 1) {
          choose_hardest(objective_, part,
                         [&](auto documents, const auto& outcome) { observe(part, documents, outcome); });
          flops_ += objective_.forward_flops(part.documents);
        }
        parts.push_back(std::move(part));
      }
    }
    return parts;
  }

  // Adds what documents, all of the part's or one batch's, say to the part's means and to the mix.
  void observe(StepPart& part, std::span<const Document> documents, const NextStep::Outcome& outcome) {
    const auto& [rows, loss] = outcome;
    const double share = static_cast<double>(rows.patches.size(0)) / static_cast<double>(part.seen);
    part.loss += loss.nats.detach() * share;
    part.wrong += loss.mistakes.gt(0).to(torch::kFloat).mean() * share;
    if (config_.operation_mix == "uniform") return;
    // On a GPU only where it is waited for anyway.
    if (model_.device().is_cpu() || config_.candidates > 1 || (progress_.step + 1) % config_.log_every == 0) {
      mix_.observe(documents, rows, config_.operation_mix == "loss" ? loss.row_nats : loss.mistakes.gt(0));
    }
  }

  // One step of the optimiser; false where there is nothing to learn from.
  bool learn(std::vector<StepPart> parts, const std::atomic<bool>& stop) {
    int64_t mine = 0;
    for (const auto& part : parts) mine += part.trained;

    optimizer_.zero_gradients();
    // Loss, gradient norm and share of wrong rows.
    auto numbers = torch::zeros({3}, model_.device());
    for (auto& part : parts) {
      if (part.trained > 0)
        numbers += backward(part, static_cast<double>(part.trained) / static_cast<double>(mine));
    }
    const double rows = agree(static_cast<double>(mine), stop);
    if (rows == 0) {
      constexpr int most_empty_steps = 10'000;
      if (++empty_steps_ == most_empty_steps)
        ranks_.fail(Error("{} batches in a row have nothing to predict", empty_steps_));
      return false;
    }
    empty_steps_ = 0;

    share_gradients(numbers, static_cast<double>(mine), rows);
    if (config_.candidates > 1) {
      // A mean over about ten batches.
      const double wrong = numbers[2].item<double>();
      for (int i = 0; i < config_.accumulate; ++i) observe_wrong(wrong);
    }
    numbers[1] += optimizer_.step(learning_rate_share(config_, done()));
    unread_.push_back(numbers);
    ++progress_.step;
    return true;
  }

  // Adds the part's gradients, `share` of this rank's; returns [loss, 0, share of wrong rows].
  torch::Tensor backward(StepPart& part, double share) {
    const auto outcome = objective_.predict(part.documents, part.chosen);
    if (part.batches.size() == 1) observe(part, part.documents, *outcome);
    (outcome->loss.learned() * share).backward();
    // Backward costs twice the forward pass.
    flops_ += 3 * objective_.forward_flops(part.documents) * static_cast<double>(part.trained) /
              static_cast<double>(part.predicted);
    journal_->count(part);
    return torch::stack({part.loss, torch::zeros_like(part.loss), part.wrong}) * share;
  }

  // Adds up over all ranks what a step was of, so that all go on alike; returns the rows that it is trained on. A
  // parameter has a gradient afterwards where it has one on any rank.
  double agree(double rows, const std::atomic<bool>& stop) {
    const auto parameters = optimizer_.parameters();
    const auto mix = mix_.observed();
    std::vector<double> all = {rows, std::exchange(flops_, 0), stop ? 1.0 : 0.0};
    const size_t fixed = all.size();
    all.insert(all.end(), mix.begin(), mix.end());
    if (!ranks_.alone()) {
      for (const auto& p : parameters) all.push_back(p.grad().defined());
    }
    ranks_.sum(all);
    progress_.flops += all[1];
    all_stop_ = all[2] > 0;
    std::copy_n(all.begin() + fixed, mix.size(), mix.begin());
    mix_.update();
    const auto* learned = all.data() + fixed + mix.size();
    for (size_t i = 0; i < parameters.size() && !ranks_.alone(); ++i) {
      if (learned[i] > 0 && !parameters[i].grad().defined())
        parameters[i].mutable_grad() = torch::zeros_like(parameters[i]);
    }
    return all[0];
  }

  // Makes gradients and numbers, those of `mine` rows, the means over the `rows` of all ranks.
  void share_gradients(torch::Tensor& numbers, double mine, double rows) {
    if (ranks_.alone()) return;
    std::vector<torch::Tensor> all;
    for (const auto& p : optimizer_.parameters()) {
      if (p.grad().defined()) all.push_back(p.grad());
    }
    all.push_back(numbers);
    ranks_.mean(all, mine, rows);
  }

  void observe_wrong(double share) { progress_.wrong_share += 0.1 * (share - progress_.wrong_share); }

  // Looks at the numbers of the newest steps. On a GPU to look is to wait, so it is done only where they are
  // used. Throws Error where the training diverges.
  void note_losses() {
    int64_t step = progress_.step - std::ssize(unread_);
    for (const auto& tensor : unread_) {
      const auto numbers = tensor.to(torch::kCPU, torch::kDouble);
      const double loss = numbers[0].item<double>(), norm = numbers[1].item<double>();
      ++step;
      progress_.smooth_loss = step == 1 ? loss : 0.95 * progress_.smooth_loss + 0.05 * loss;
      progress_.loss_sum += loss;
      progress_.norm_sum += norm;
      if (config_.candidates == 1) observe_wrong(numbers[2].item<double>());
      if (!std::isfinite(loss) || !std::isfinite(norm) || progress_.smooth_loss > 2 * std::log(symbols)) {
        ranks_.fail(Error(
            "step {}: the training diverges (loss {:.4g}, gradient norm {:.4g}): lower learning-rate or raise "
            "warmup; the last checkpoint is kept",
            step, loss, norm));
      }
    }
    unread_.clear();
  }

  void validate() {
    const Averaged averaged(optimizer_);
    journal_->log(progress_, bytecpu::validate(model_, held_out_, config_.batch_patches, ranks_));
  }

  void save() {
    if (saved_step_ == progress_.step) return;
    saved_step_ = progress_.step;
    gather_places();
    if (!ranks_.first()) return;
    run_.folder->require_there();
    const Averaged averaged(optimizer_);
    progress_.hardness = mix_.hardness();
    auto training = to_json(progress_);
    if (!run_.settings.empty()) training["settings"] = run_.settings;
    save_checkpoint(run_.folder->path(), progress_.step, model_, optimizer_, training);
  }

  // Each rank knows the places of its own lanes.
  void gather_places() {
    if (ranks_.alone()) return;
    nlohmann::ordered_json mine;
    for (size_t lane = ranks_.rank(); lane < lanes(); lane += ranks_.size())
      mine.push_back(to_json(progress_.places[lane]));
    const auto of_ranks = ranks_.gather(mine.dump());
    for (size_t rank = 0; rank < of_ranks.size(); ++rank) {
      const auto places = nlohmann::ordered_json::parse(of_ranks[rank]);
      for (size_t i = 0; i < places.size(); ++i)
        progress_.places[rank + i * of_ranks.size()] = place_from_json(places[i]);
    }
  }

  ByteModel& model_;
  const TrainConfig& config_;
  const TrainingData data_;
  const TrainingRun& run_;
  Ranks& ranks_;
  const NextStep objective_;
  Optimizer optimizer_;
  SkillMix mix_;
  Pool held_out_;
  Progress progress_;
  std::optional<Journal> journal_;
  // This rank's lanes, and what they draw under.
  std::mutex drawing_;
  std::vector<std::unique_ptr<Feed>> feeds_;
  // Of this rank, since all agreed.
  double flops_ = 0;
  bool all_stop_ = false;
  // Of each step that nobody has looked at yet: loss, gradient norm, share of wrong rows; [3].
  std::vector<torch::Tensor> unread_;
  int64_t saved_step_ = -1;
  int empty_steps_ = 0;
};

}  // namespace

bool finished(const TrainConfig& config, const fs::path& checkpoint) {
  return spent_share(config, load_progress(checkpoint)) >= 1;
}

TrainingEnd train(ByteModel& model, const TrainConfig& config, const TrainingData& data,
                  const TrainingRun& run, Ranks& ranks, const std::atomic<bool>& stop,
                  const std::function<void()>& accepted) {
  check(config);
  Trainer trainer(model, config, data, run, ranks);
  trainer.prepare();
  accepted();
  if (run.checkpoint && ranks.first())
    fmt::print("resuming at step {} ({})\n", trainer.step(), run.checkpoint->string());
  return trainer.run(stop);
}

}  // namespace bytecpu
