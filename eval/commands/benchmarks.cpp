#include "eval/commands/benchmarks.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <string_view>

#include "datagen/corpus/program_stream.hpp"
#include "model/compute/device.hpp"
#include "model/compute/product.hpp"
#include "model/heads/next_step.hpp"
#include "model/inference/rollout.hpp"
#include "model/training/feed.hpp"
#include "model/training/optimizer.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

class Stopwatch {
 public:
  // Since it was made or read last.
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    start_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

double rounded(double value) {  // to four digits: no timing is better
  if (value == 0 || !std::isfinite(value)) return value;
  const double unit = std::pow(10, 3 - std::floor(std::log10(std::abs(value))));
  return std::round(value * unit) / unit;
}

ordered_json describe(const ByteModel& model) {
  int64_t parameters = 0;
  for (const auto& p : model.parameters()) parameters += p.numel();
  const Layout& layout = model.frame().layout;
  return {{"family", model.config().family},
          {"parameters", parameters},
          {"machine", layout.machine},
          {"memory_bytes", layout.memory_bytes},
          {"precision", precision_name(model.precision())},
          {"device", model.device().str()},
          {"threads", at::get_num_threads()}};
}

struct Measured {
  int64_t states = 0, patch_passes = 0, positions = 0;
  double seconds = 0;
  double rate() const { return static_cast<double>(states) / seconds; }
};

// run(i, measured) does the i-th of `count` pieces of work. One after the other, spread evenly over them,
// until `seconds` have gone by.
template <typename Run>
Measured measure(size_t count, double seconds, Run run) {
  constexpr double golden = 0.6180339887498949;
  Measured measured;
  Stopwatch watch;
  for (int64_t i = 0; measured.seconds < seconds; ++i) {
    const double place = (static_cast<double>(i) + 0.5) * golden;
    run(static_cast<size_t>((place - std::floor(place)) * static_cast<double>(count)), measured);
    measured.seconds += watch.lap();
  }
  return measured;
}

constexpr double operations_of(double m, double n, double k) { return 2 * m * n * k; }

// Operations a second of a large product of matrices.
double product_rate(torch::ScalarType precision, torch::Device device) {
  constexpr int64_t repetitions = 5;
  const int64_t size = device.is_cuda() ? 8192 : 2048;  // a GPU's best needs large ones
  const auto options = torch::TensorOptions(device).dtype(precision);
  const auto a = torch::randn({size, size}, options), b = torch::randn({size, size}, options);
  torch::NoGradGuard no_grad;
  product(a, b);
  double best = 0;
  for (int i = 0; i < repetitions; ++i) {
    Stopwatch watch;
    product(a, b).select(0, 0).sum().item<double>();  // waits for the device
    best = std::max(best, operations_of(size, size, size) / watch.lap());
  }
  return best;
}

}  // namespace

void benchmark_rollout(ByteModel& model, const TestSet& set, int64_t batch, double seconds,
                       const OnResult& result) {
  const int64_t step_bytes = model.frame().step_bytes;
  auto traces = set.traces;  // by length, as evaluate() batches them
  std::ranges::stable_sort(traces, {}, [](const Trace& trace) { return trace.states(); });
  std::vector<Document> documents;
  std::vector<int64_t> lengths;
  std::vector<std::pair<size_t, int64_t>> states;  // trace and number of each state to predict
  for (size_t i = 0; i < traces.size(); ++i) {
    documents.emplace_back(traces[i]);
    lengths.push_back(traces[i].states());
    for (int64_t t = 1; t <= lengths[i]; ++t) states.emplace_back(i, t);
  }
  double uncached = 0;
  const auto report = [&](std::string_view decoding, int64_t at_once, const Measured& m) {
    if (uncached == 0) uncached = m.rate();
    auto json = ordered_json{{"benchmark", "rollout"}};
    json.update(describe(model));
    json.update(
        ordered_json{{"decoding", decoding},
                     {"batch", at_once},
                     {"states", m.states},
                     {"seconds", rounded(m.seconds)},
                     {"states_per_second", rounded(m.rate())},
                     {"passes_per_state", rounded(static_cast<double>(m.patch_passes) /
                                                  static_cast<double>(m.states * model.patches_per_step()))},
                     {"positions_per_byte",
                      rounded(static_cast<double>(m.positions) / static_cast<double>(m.states * step_bytes))},
                     {"times_uncached", rounded(m.rate() / uncached)}});
    result(json);
  };

  report("uncached", 1, measure(states.size(), seconds, [&](size_t i, Measured& m) {
           const auto [trace, t] = states[i];
           roll_out_plainly(model, documents[trace].first(t), 1);
           ++m.states;
           m.patch_passes += step_bytes;
           m.positions += step_bytes * (model.config().patch_size + 1) / 2;
         }));
  for (const auto& [decoding, name] :
       {std::pair(Decoding::bytewise, "bytewise"), {Decoding::drafted, "drafted"}}) {
    for (const int64_t at_once : {int64_t{1}, batch}) {
      const auto size = static_cast<size_t>(at_once), batches = (documents.size() + size - 1) / size;
      report(name, at_once, measure(batches, seconds, [&, way = decoding](size_t i, Measured& m) {
               const size_t first = i * size, count = std::min(size, documents.size() - first);
               RolloutCost cost;
               roll_out(model, std::span(documents).subspan(first, count),
                        std::span(lengths).subspan(first, count), {.decoding = way, .cost = &cost});
               m.states += cost.steps;
               m.patch_passes += cost.patch_passes;
               m.positions += cost.positions;
             }));
    }
  }
}

void benchmark_train(ByteModel& model, const TrainConfig& config, const ProgramOptions& programs,
                     double seconds, const OnResult& result) {
  const Layout& layout = model.frame().layout;
  const NextStep objective(model, config.loss == "all" ? Targets::all : Targets::scored);
  ProgramStream stream({.machine = layout.machine,
                        .memory_bytes = layout.memory_bytes,
                        .programs = programs,
                        .seed = config.seed,
                        .pool_traces = config.pool_traces});
  Optimizer optimizer(model.trained_parameters(), config);
  enum Phase { data, patch_level, loss, backward, optimiser, parts };
  constexpr std::array<std::string_view, parts> names = {
      "data", "forward_patch_level", "forward_byte_level_and_loss", "backward", "optimiser"};
  std::array<double, parts> spent{};
  double flops = 0, total = 0;
  int64_t states = 0, steps = 0;
  constexpr int warm_up = 2;  // steps
  uint64_t pool_index = 0;
  auto pool = std::make_shared<Pool>(layout);
  BatchPlan batches;
  size_t next = 0;
  Stopwatch watch;
  for (int step = 0; step < warm_up + 1 || total < seconds; ++step) {
    if (step == warm_up) {
      spent = {};
      flops = states = steps = 0;
    }
    watch.lap();
    if (next == batches.size()) {
      stream.fill(pool_index++, {}, *pool);
      batches = plan(model, *pool, config.batch_patches, config.seed + pool_index);
      next = 0;
    }
    const auto documents = batch_of(pool, batches[next++]).documents;
    optimizer.zero_gradients();
    spent[data] += watch.lap();
    const auto rows = model.rows(documents, objective.targets(), objective.common_choice(documents));
    spent[patch_level] += watch.lap();
    const auto nats = model.loss(rows.condition, rows.patches).nats;
    nats.item<double>();
    spent[loss] += watch.lap();
    nats.backward();
    spent[backward] += watch.lap();
    optimizer.step(1);
    spent[optimiser] += watch.lap();
    states += rows.patches.size(0) / model.patches_per_step();
    flops += 3 * objective.forward_flops(documents) * static_cast<double>(rows.patches.size(0)) /
             static_cast<double>(objective.count(documents));
    ++steps;
    total = 0;
    for (const double part : spent) total += part;
  }
  const double ceiling = product_rate(model.precision(), model.device());
  auto json = ordered_json{{"benchmark", "train"}};
  json.update(describe(model));
  json.update(ordered_json{{"optimizer", config.optimizer},
                           {"batch_patches", config.batch_patches},
                           {"steps", steps},
                           {"states", states},
                           {"seconds", rounded(total)},
                           {"states_per_second", rounded(static_cast<double>(states) / total)},
                           {"flops_per_state", rounded(flops / static_cast<double>(states))},
                           {"gflops", rounded(flops / total / 1e9)},
                           {"product_gflops", rounded(ceiling / 1e9)},
                           {"share_of_product", rounded(flops / total / ceiling)}});
  for (size_t i = 0; i < parts; ++i) json["share_of_time"][names[i]] = rounded(spent[i] / total);
  result(json);
}

void benchmark_generate(const Layout& layout, const ProgramOptions& programs, int threads, double seconds,
                        const OnResult& result) {
  for (const int count : threads > 1 ? std::vector{1, threads} : std::vector{1}) {
    ProgramStream stream({.machine = layout.machine,
                          .memory_bytes = layout.memory_bytes,
                          .programs = programs,
                          .pool_traces = 1024 * count,
                          .threads = count});
    Pool pool(layout);
    stream.fill(0, {}, pool);  // warm-up
    int64_t states = 0, traces = 0;
    double total = 0;
    for (uint64_t index = 1; total < seconds; ++index) {
      Stopwatch watch;
      stream.fill(index, {}, pool);
      total += watch.lap();
      traces += static_cast<int64_t>(pool.size());
      for (size_t i = 0; i < pool.size(); ++i) states += pool[i].count();
    }
    result({{"benchmark", "generate"},
            {"machine", layout.machine},
            {"memory_bytes", layout.memory_bytes},
            {"min_instructions", programs.min_instructions},
            {"max_instructions", programs.max_instructions},
            {"threads", count},
            {"traces", traces},
            {"states", states},
            {"seconds", rounded(total)},
            {"states_per_second", rounded(static_cast<double>(states) / total)},
            {"states_per_second_per_core", rounded(static_cast<double>(states) / total / count)}});
  }
}

}  // namespace bytecpu
