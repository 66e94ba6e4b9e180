#include "datagen/corpus/program_stream.hpp"

#include <algorithm>
#include <boost/program_options.hpp>

#include "datagen/io/parallel.hpp"
#include "datagen/programs/run.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

constexpr int part_traces = 256;  // what a thread takes at a time; part of what defines a pool

}  // namespace

StreamSource::StreamSource(const Options& options) : options_(options) {
  if (options.pool_traces < 1) throw Error("a pool needs at least one trace, not {}", options.pool_traces);
  if (options.threads < 1) throw Error("at least one thread is needed, not {}", options.threads);
  for (int i = 0; i < options.threads; ++i)
    machines_.push_back(make_machine(options.machine, options.memory_bytes));
  reader_ = make_machine(options.machine, options.memory_bytes);
  for (const auto name : machines_[0]->operations()) operation_index_.emplace(name, operation_index_.size());
}

std::string StreamSource::describe() const {
  return fmt::format("fresh {} programs, {} split, {} bytes of memory, seed {}, {} a pool", options_.machine,
                     to_string(options_.split), options_.memory_bytes, options_.seed, options_.pool_traces);
}

int StreamSource::operation(std::span<const uint8_t> record) const {
  const auto form = reader_->instruction_form(record);
  const auto found = operation_index_.find(std::string_view(form).substr(0, form.find(' ')));
  return found == operation_index_.end() ? -1 : found->second;
}

void StreamSource::fill(uint64_t index, const ProgramOptions& programs, TraceBatch& out) {
  const size_t parts = (options_.pool_traces + part_traces - 1) / part_traces;
  const auto run_part = [&](Machine& machine, size_t part, TraceBatch& traces) {
    auto random = native_random(options_.seed, Purpose::pool, options_.split, index, part);
    const int count = std::min<int>(part_traces, options_.pool_traces - part * part_traces);
    const auto starts = draw_starts(machine, random, programs, options_.split, count);
    machine.run(starts, limits_of(programs), traces);
  };

  out.clear();
  if (options_.threads == 1) {
    for (size_t part = 0; part < parts; ++part) run_part(*machines_[0], part, out);
    return;
  }
  std::vector<TraceBatch> batches(parts);
  parallel_for(options_.threads, parts,
               [&](int thread, size_t part) { run_part(*machines_[thread], part, batches[part]); });
  for (const auto& batch : batches) append(batch, out);
}

boost::program_options::options_description options(StreamSource::Options& stream, ProgramOptions& programs) {
  namespace po = boost::program_options;
  po::options_description description("Stream of fresh programs");
  const auto add = [&](const char* name, auto& field, const char* text) {
    description.add_options()(name, po::value(&field)->default_value(field), text);
  };
  const auto add_share = [&](const char* name, std::optional<double>& field, const char* text) {
    description.add_options()(name, po::value<double>()->notifier([&field](double p) { field = p; }), text);
  };
  add("machine", stream.machine, "machine");
  add("memory", stream.memory_bytes, "bytes of memory");
  add("min-instructions", programs.min_instructions, "shortest program, the halting instruction included");
  add("max-instructions", programs.max_instructions, "longest program");
  add("small-operands", programs.small_operands,
      "probability that a register starts with few significant bits");
  add("window-steps", programs.window_steps,
      "traces are windows of this many steps from anywhere in a program; 0: whole programs");
  add_share("memory-share", programs.memory_share,
            "share of instructions that access memory, where the machine has them");
  add_share("branch-share", programs.branch_share, "share of instructions that branch forward or call");
  add_share("loop-share", programs.loop_share, "probability that an instruction begins a loop");
  return description;
}

}  // namespace bytecpu
