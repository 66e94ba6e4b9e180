// bytecpu-bench: how fast models run and train, and how fast programs are made. One JSON object a line.
#include <algorithm>
#include <thread>

#include "datagen/corpus/program_stream.hpp"
#include "datagen/io/cli.hpp"
#include "datagen/programs/program_options.hpp"
#include "eval/commands/benchmarks.hpp"
#include "model/compute/device.hpp"
#include "model/network/config.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/config.hpp"

namespace bytecpu {
namespace {

// What all benchmarks have.
struct Common {
  ProgramStream::Options stream;
  double seconds = 10;
};

OptionList options(Common& c) {
  OptionList field;
  field(c.seconds, "seconds", above(0), "of each measurement, about");
  return field.add(options(c.stream));
}

struct Rollouts {
  Common common;
  std::string checkpoint, precision = "fp32", device = "auto";
  int threads = 0;
  int64_t traces = 1024, batch = 256;
  uint64_t seed = 0;
  ModelConfig model;
};

OptionList options(Rollouts& r) {
  OptionList field;
  field(r.checkpoint, "checkpoint", text("RUN"),
        "a trained model, its machine and memory; none: a fresh one, whose guesses no draft meets");
  field(r.traces, "traces", at_least(4), "programs");
  field(r.batch, "batch", at_least(1), "traces at once");
  field(r.precision, "precision", one_of({"fp32", "bf16"}), "of products");
  field(r.device, "device", one_of({"auto", "cpu", "cuda"}), "auto: CUDA where there is a GPU");
  field(r.threads, "threads", in(0, 4096), "threads; 0: every core");
  field(r.seed, "seed", at_least(0), "of programs and fresh models");
  return field.add(options(r.common)).add(options(r.model));
}

struct Training {
  Common common;
  ModelConfig model;
  TrainConfig train;
};

OptionList options(Training& t) { return options(t.common).add(options(t.model)).add(options(t.train)); }

struct Generation {
  Common common;
  int threads = 0;
};

OptionList options(Generation& g) {
  OptionList field;
  field(g.threads, "threads", in(0, 1024), "threads; 0: every core");
  return field.add(options(g.common));
}

void print(const nlohmann::ordered_json& result) {
  fmt::print("{}\n", json_text(result));
  cli::flush();
}

// A fresh model of the options.
std::shared_ptr<ByteModel> fresh_model(ModelConfig& config, const Common& common, uint64_t seed) {
  const auto machine =
      as_usage([&] { return make_machine(common.stream.machine, common.stream.memory_bytes); });
  config.frame = frame_of(machine->layout());
  as_usage([&] { check(config); });
  torch::manual_seed(seed);
  return make_model(config);
}

std::shared_ptr<ByteModel> trained_model(const std::string& run) {
  const auto found = find_checkpoint(run);
  if (!found) throw Error("{}: holds no checkpoint", run);
  return load_model(*found);
}

void rollout(Rollouts& r, const OptionList& given) {
  if (!r.checkpoint.empty()) {
    given.refuse("the checkpoint has its own", options(r.model));
    given.refuse("the checkpoint has its own", r.common.stream.machine, r.common.stream.memory_bytes);
  }
  use_threads(r.threads);
  const auto model =
      r.checkpoint.empty() ? fresh_model(r.model, r.common, r.seed) : trained_model(r.checkpoint);
  model->to(choose_device(r.device));
  model->freeze(supported_precision(r.precision, model->device()));
  model->eval();
  const Layout& layout = model->frame().layout;
  const auto machine = make_machine(layout.machine, layout.memory_bytes);
  fit_length(given, *machine, r.common.stream.programs);
  const TestSet set = fresh_traces(*machine, r.common.stream.programs, r.traces, r.seed, nullptr);
  benchmark_rollout(*model, set, r.batch, r.common.seconds, print);
}

void train(Training& t, const OptionList& given) {
  // A budget there must be; the benchmark's is --seconds.
  t.train.steps = 1;
  t.train.minutes = t.train.petaflops = 0;
  as_usage([&] { check(t.train); });
  use_threads(t.train.threads);
  const auto model = fresh_model(t.model, t.common, t.train.seed);
  model->to(choose_device(t.train.device));
  model->set_precision(supported_precision(t.train.precision, model->device()));
  t.train.precision = precision_name(model->precision());
  fit_length(given, *make_machine(t.common.stream.machine, t.common.stream.memory_bytes),
             t.common.stream.programs);
  benchmark_train(*model, t.train, t.common.stream.programs, t.common.seconds, print);
}

void generate(Generation& g, const OptionList& given) {
  const auto& stream = g.common.stream;
  const int threads =
      g.threads > 0 ? g.threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const auto machine = as_usage([&] { return make_machine(stream.machine, stream.memory_bytes); });
  fit_length(given, *machine, g.common.stream.programs);
  benchmark_generate(machine->layout(), g.common.stream.programs, threads, g.common.seconds, print);
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) {
  using namespace bytecpu;
  cli::prepare_compute(argv);
  return cli::main(
      "bytecpu-bench", "Measures speed. Each result is one JSON object on a line of its own.",
      {cli::command<Rollouts>("rollout",
                              "free runs: uncached, cached, drafted; one trace alone and in batches",
                              "[--checkpoint RUN] [options]", options, rollout),
       cli::command<Training>(
           "train",
           "training steps: states and operations a second, where the time goes\n"
           "Takes a training's whole configuration; how long that lasts, and what it reports, is not measured.",
           "[--config FILE] [options]", options, train),
       cli::command<Generation>("generate", "random programs drawn and run, states a second and core",
                                "[options]", options, generate)},
      argc, argv);
}
