// bytecpu-bench: how fast models run and train, and how fast programs are made. One JSON object a line.
#include <algorithm>
#include <thread>

#include "datagen/corpus/program_stream.hpp"
#include "datagen/io/cli.hpp"
#include "eval/commands/benchmarks.hpp"
#include "model/compute/device.hpp"
#include "model/training/checkpoint.hpp"
#include "model/training/config.hpp"

namespace bytecpu {
namespace {

namespace po = boost::program_options;

struct Options {
  std::string checkpoint, precision = "fp32", device = "auto";
  int threads = 0;
  ProgramStream::Options stream;
  int64_t traces = 1024, batch = 256;
  uint64_t seed = 0;
  double seconds = 10;
  ModelConfig model;
  TrainConfig train;
};

void print(const nlohmann::ordered_json& result) {
  fmt::print("{}\n", result.dump());
  std::fflush(stdout);
}

po::options_description common(Options& o) {
  po::options_description options;
  options.add(bytecpu::options(o.stream))
      .add_options()("seconds", po::value(&o.seconds)->default_value(o.seconds)->value_name("S"),
                     "of each measurement, about");
  return options;
}

void check(const Options& o) {
  if (!(o.seconds > 0)) throw UsageError("--seconds is {}; use more than 0", o.seconds);
  if (o.threads < 0) throw UsageError("--threads is {}; use 0 (every core) or more", o.threads);
  if (o.batch < 1 || o.traces < 4) throw UsageError("use a --batch of 1 or more, and 4 --traces or more");
  if (o.precision != "fp32" && o.precision != "bf16")
    throw UsageError("--precision: \"{}\" is neither fp32 nor bf16", o.precision);
}

// The checkpoint's model, or a fresh one of the options.
std::shared_ptr<ByteModel> prepare(Options& o, const std::string& device, int threads) {
  use_threads(threads);
  std::shared_ptr<ByteModel> model;
  if (o.checkpoint.empty()) {
    o.model.frame = frame_of(make_machine(o.stream.machine, o.stream.memory_bytes)->layout());
    torch::manual_seed(o.seed);
    model = make_model(o.model);
  } else {
    const auto found = find_checkpoint(o.checkpoint);
    if (!found) throw Error("{}: holds no checkpoint", o.checkpoint);
    model = load_model(*found);
  }
  model->to(choose_device(device));
  return model;
}

void rollout(Options& o) {
  check(o);
  const auto model = prepare(o, o.device, o.threads);
  model->freeze(supported_precision(o.precision, model->device()));
  model->eval();
  const Layout& layout = model->frame().layout;
  const auto machine = make_machine(layout.machine, layout.memory_bytes);
  auto& programs = o.stream.programs;
  programs.max_instructions = std::min(programs.max_instructions, layout.memory_bytes / 4 - 1);
  const TestSet set = fresh_traces(*machine, programs, o.traces, o.seed, nullptr);
  benchmark_rollout(*model, set, o.batch, o.seconds, print);
}

void train(Options& o) {
  check(o);
  // A budget there must be; the benchmark's is --seconds.
  o.train.steps = 1;
  o.train.minutes = o.train.petaflops = 0;
  bytecpu::check(o.train);
  const auto model = prepare(o, o.train.device, o.train.threads);
  model->set_precision(supported_precision(o.train.precision, model->device()));
  benchmark_train(*model, o.train, o.stream.programs, o.seconds, print);
}

void generate(Options& o) {
  check(o);
  const int threads =
      o.threads > 0 ? o.threads : static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  benchmark_generate(make_machine(o.stream.machine, o.stream.memory_bytes)->layout(), o.stream.programs,
                     threads, o.seconds, print);
}

int main(int argc, char** argv) {
  cli::prepare_compute(argv);
  Options o;
  const auto threads = [&](po::options_description& options) {
    options.add_options()("threads", po::value(&o.threads)->default_value(0)->value_name("N"),
                          "threads; 0: every core");
  };
  cli::Command rollouts{"rollout",
                        "free runs: uncached, cached, drafted; one trace alone and in batches",
                        "[--checkpoint RUN] [options]",
                        common(o),
                        {},
                        [&](const po::variables_map&) { rollout(o); }};
  threads(rollouts.options);
  rollouts.options.add_options()  //
      ("checkpoint", po::value(&o.checkpoint)->default_value("")->value_name("RUN"),
       "a trained model, its machine and memory; none: a fresh one, whose guesses no draft meets")  //
      ("traces", po::value(&o.traces)->default_value(o.traces)->value_name("N"), "programs")        //
      ("batch", po::value(&o.batch)->default_value(o.batch)->value_name("N"), "traces at once")     //
      ("precision", po::value(&o.precision)->default_value(o.precision)->value_name("NAME"),
       "fp32 or bf16")                                                                                    //
      ("device", po::value(&o.device)->default_value(o.device)->value_name("NAME"), "auto, cpu or cuda")  //
      ("seed", po::value(&o.seed)->default_value(o.seed)->value_name("N"), "of programs and fresh models");
  rollouts.options.add(bytecpu::options(o.model));

  cli::Command training{"train",
                        "training steps: states and operations a second, where the time goes",
                        "[--config FILE] [options]",
                        common(o),
                        {},
                        [&](const po::variables_map&) { train(o); }};
  training.options.add(bytecpu::options(o.model)).add(bytecpu::options(o.train));

  cli::Command generation{"generate",  "random programs drawn and run, states a second and core",
                          "[options]", common(o),
                          {},          [&](const po::variables_map&) { generate(o); }};
  threads(generation.options);
  return cli::main("bytecpu-bench", "Measures speed. Each result is one JSON object on a line of its own.",
                   {rollouts, training, generation}, argc, argv);
}

}  // namespace
}  // namespace bytecpu

int main(int argc, char** argv) { return bytecpu::main(argc, argv); }
