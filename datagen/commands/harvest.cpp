// bytecpu-datagen harvest: a dataset of real code.
#include "datagen/dataset/harvest.hpp"

#include "datagen/commands/commands.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

enum class Kinds { both, blocks, functions };

struct Values {
  HarvestOptions harvest;
  std::vector<std::string> files;
  Kinds kinds = Kinds::both;
  bool json = false;
};

OptionList options(Values& v) {
  auto& h = v.harvest;
  OptionList field;
  field(v.files, "files", text("FILES"),
        "ELF files, or folders of them; files of other kinds are passed over")
      .required()
      .positional();
  field(h.machine, "machine", one_of(machine_names()), "machine");
  field(h.memory_bytes, "memory", at_least(1), "length of the memory image, in bytes");
  field(v.kinds, "kinds",
        Names<Kinds>{{"both", Kinds::both}, {"blocks", Kinds::blocks}, {"functions", Kinds::functions}},
        "basic blocks, small functions that call nothing, or both");
  field(h.most, "most", at_least(0), "at most N pieces of code; 0: all");
  field(h.starts, "starts", in(1, 1000), "traces of each piece, from different starts");
  field(h.seed, "seed", at_least(0), "seed of all starts");
  field(h.most_steps, "steps", at_least(1), "run each for at most N steps");
  field(h.keep_faults, "faults", Names<bool>{{"keep", true}, {"drop", false}},
        "pieces for which no start is found that runs without a fault");
  field(h.out, "out", text("DIR"), "new dataset").required();
  field(v.json, "json", "print the summary as JSON");
  return field;
}

ordered_json to_json(const HarvestResult& r) {
  ordered_json json = {{"files", r.files},       {"other_files", r.other_files}, {"pieces", r.pieces},
                       {"blocks", r.blocks},     {"functions", r.functions},     {"same_code", r.duplicates},
                       {"only_fault", r.faults}, {"mnemonics", r.mnemonics},     {"left_out", r.left_out},
                       {"seconds", r.seconds}};
  for (const Split s : splits) {
    json["splits"][to_string(s)] = {{"traces", r.manifest[s].traces}, {"states", r.manifest[s].states}};
  }
  return json;
}

// The most frequent ones.
std::string most_of(const std::map<std::string, int64_t>& counts) {
  std::vector<std::pair<int64_t, std::string>> sorted;
  int64_t all = 0;
  for (const auto& [what, count] : counts) {
    sorted.emplace_back(-count, what);
    all += count;
  }
  std::ranges::sort(sorted);
  constexpr size_t most = 12;
  std::string text = fmt::format("{}:", all);
  for (size_t i = 0; i < std::min(most, sorted.size()); ++i)
    text += fmt::format("{} {} {}", i == 0 ? "" : ",", sorted[i].second, -sorted[i].first);
  return text + (sorted.size() > most ? ", …" : "");
}

void print(const HarvestResult& r, const std::filesystem::path& out) {
  for (const Split s : splits) {
    fmt::print("{:<6}{:>10} traces {:>12} states\n", to_string(s), r.manifest[s].traces,
               r.manifest[s].states);
  }
  fmt::print("instructions {}\n", most_of(r.mnemonics));
  fmt::print("where pieces end because it is left out {}\n", most_of(r.left_out));
  if (!r.faults.empty()) fmt::print("pieces that fault from every start {}\n", most_of(r.faults));
  fmt::print(
      "{}: {} blocks and {} functions of {} files in {:.1f} s; {} pieces had code that was there already",
      out.string(), r.blocks, r.functions, r.files, r.seconds, r.duplicates);
  fmt::print("{}\n", r.other_files ? fmt::format("; {} files are not of the machine", r.other_files) : "");
}

void run(Values& v, const OptionList&) {
  auto& h = v.harvest;
  h.files.assign(v.files.begin(), v.files.end());
  h.blocks = v.kinds != Kinds::functions;
  h.functions = v.kinds != Kinds::blocks;
  as_usage([&] { return make_machine(h.machine, h.memory_bytes); });
  const auto result = harvest(h);
  if (v.json) {
    fmt::print("{}\n", json_text(to_json(result)));
  } else {
    print(result, h.out);
  }
}

}  // namespace

cli::Command harvest_command() {
  return cli::command<Values>(
      "harvest", "Makes a dataset of real code: basic blocks and small functions out of ELF files.",
      "FILES --out DIR [options]", options, run);
}

}  // namespace bytecpu
