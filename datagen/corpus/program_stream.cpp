#include "datagen/corpus/program_stream.hpp"

#include <algorithm>

#include "datagen/io/parallel.hpp"
#include "datagen/programs/program_options.hpp"
#include "datagen/programs/run.hpp"
#include "emulator/error.hpp"

namespace bytecpu {
namespace {

// What a thread takes at a time; part of what defines a pool.
constexpr int part_traces = 256;

std::vector<int16_t> skills_of(const Machine& machine, const TraceBatch& traces) {
  std::vector<int16_t> skills;
  for (size_t i = 0; i < traces.size(); ++i) {
    const Trace trace = traces[i];
    skills.push_back(-1);  // state 0 has fetched nothing
    for (int64_t t = 1; t <= trace.states(); ++t) {
      skills.push_back(static_cast<int16_t>(machine.describe(trace.record(t)).operation));
    }
  }
  return skills;
}

}  // namespace

ProgramStream::ProgramStream(const Options& options) : options_(options) {
  if (options.pool_traces < 1) throw Error("a pool needs at least one trace, not {}", options.pool_traces);
  if (options.threads < 1) throw Error("at least one thread is needed, not {}", options.threads);
  for (int i = 0; i < options.threads; ++i)
    machines_.push_back(make_machine(options.machine, options.memory_bytes));
  frame_ = frame_of(machines_[0]->layout());
}

void ProgramStream::fit_length() { bytecpu::fit_length(*machines_[0], options_.programs); }

std::string ProgramStream::describe() const {
  return fmt::format("fresh {} programs, {} split, {} bytes of memory, seed {}, {} a pool", options_.machine,
                     to_string(options_.split), options_.memory_bytes, options_.seed, options_.pool_traces);
}

void ProgramStream::fill(uint64_t index, const Emphasis& emphasis, Pool& out) {
  ProgramOptions programs = options_.programs;
  if (!emphasis.skills.empty()) programs.operation_weights = emphasis.skills;
  if (emphasis.longest > 0) {
    programs.max_instructions =
        std::clamp(emphasis.longest, programs.min_instructions, programs.max_instructions);
  }
  const size_t parts = (options_.pool_traces + part_traces - 1) / part_traces;
  const auto run_part = [&](Machine& machine, size_t part, TraceBatch& traces) {
    auto random = native_random(options_.seed, Purpose::pool, options_.split, index, part);
    const int count = std::min<int>(part_traces, options_.pool_traces - part * part_traces);
    const auto starts = draw_starts(machine, random, programs, options_.split, count);
    machine.run(starts, limits_of(programs), traces);
  };

  out.traces.clear();
  if (options_.threads == 1) {
    for (size_t part = 0; part < parts; ++part) run_part(*machines_[0], part, out.traces);
  } else {
    std::vector<TraceBatch> batches(parts, TraceBatch(frame_.layout));
    parallel_for(options_.threads, parts,
                 [&](int thread, size_t part) { run_part(*machines_[thread], part, batches[part]); });
    for (const auto& batch : batches) append(batch, out.traces);
  }
  out.skills = options_.tell_skills ? skills_of(*machines_[0], out.traces) : std::vector<int16_t>();
}

OptionList options(ProgramStream::Options& stream) {
  OptionList field("Stream of fresh programs");
  machine_options(field, stream.machine, stream.memory_bytes);
  program_options(field, stream.programs);
  return field;
}

}  // namespace bytecpu
