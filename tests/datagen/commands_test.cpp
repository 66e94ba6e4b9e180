// bytecpu-datagen as its user meets it.
#include <nlohmann/json.hpp>

#include "emulator/version.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using nlohmann::json;
using test::contains;
using test::datagen;
using test::TemporaryFolder;

const std::string reference_trace = BYTECPU_REFERENCE "/traces/003f8d9c239ec83eb04a5f3b8f356a1b.bin";

std::string make(const TemporaryFolder& folder, const std::string& more = "") {
  const auto out = (folder / "d").string();
  const auto made = datagen("generate --train 60 --test 9 --max-instructions 9 --out " + out + " " + more);
  EXPECT_EQ(made.code, 0) << made.err;
  return out;
}

TEST(Commands, EveryOneHasHelpAndTheProgramAVersion) {
  for (const std::string command :
       {"", "generate", "merge", "pack", "verify", "import", "export", "inspect", "trace"}) {
    for (const std::string help : {" --help", " -h"}) {
      const auto r = datagen(command + help);
      EXPECT_EQ(r.code, 0);
      EXPECT_TRUE(contains(r.out, "usage: bytecpu-datagen " + command)) << r.out;
      EXPECT_TRUE(r.err.empty()) << r.err;
    }
  }
  EXPECT_EQ(datagen("--version").out, fmt::format("bytecpu-datagen {}\n", version()));
  EXPECT_EQ(datagen("verify --version").out, fmt::format("bytecpu-datagen {}\n", version()));
}

TEST(Commands, BadUsageExitsWith2) {
  const TemporaryFolder folder;
  const auto dataset = make(folder);
  for (const std::string arguments :
       {"", "nonsense", "generate", "generate --train 1 --out x --nonsense 1",
        "generate --train 1 --out x surplus", "generate --train 1 --out x --seed=-1",
        "generate --train 1 --out x --format zip", "generate --train 1 --out x --operation-weights ADD",
        "verify", "trace --program", "inspect a b", "verify x --threads none"}) {
    const auto r = datagen(arguments);
    EXPECT_EQ(r.code, 2) << arguments << "\n" << r.err;
    EXPECT_TRUE(r.err.starts_with("bytecpu-datagen: ")) << r.err;
    EXPECT_TRUE(r.out.empty());
  }
  EXPECT_EQ(datagen("inspect " + dataset + " --memory 1024").code, 2);
  EXPECT_EQ(datagen("inspect " + dataset + " --split test").code, 2);
  EXPECT_EQ(datagen("import " BYTECPU_REFERENCE " --split test --out x").code, 1);
  EXPECT_EQ(datagen("import " BYTECPU_REFERENCE "/.. --memory 3 --out x").code, 2);
  EXPECT_EQ(datagen("inspect " + dataset + " --trace 60").code, 2);
  EXPECT_EQ(datagen("inspect " + reference_trace + " --trace 0").code, 2);
}

TEST(Commands, FailureExitsWith1AndNamesTheFile) {
  const TemporaryFolder folder;
  const auto none = (folder / "none").string();
  for (const std::string command : {"verify ", "import --out x ", "export --out x ", "inspect ", "trace "}) {
    const auto r = datagen(command + none);
    EXPECT_EQ(r.code, 1) << command << r.err;
    EXPECT_TRUE(contains(r.err, none)) << r.err;
  }
  const auto r = datagen("generate --train 1 --out " + none + "/deeper");
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "parent folder does not exist")) << r.err;
}

TEST(Commands, GenerateTakesAConfigurationAndFlagsWin) {
  const TemporaryFolder folder;
  test::put(folder / "c.ini", "train = 40\ntest = 5\nmax-instructions = 9\nseed = 3\n");
  const auto out = (folder / "d").string();
  const auto r =
      datagen("generate --json --config " + (folder / "c.ini").string() + " --train 30 --out " + out);
  ASSERT_EQ(r.code, 0) << r.err;
  const auto summary = json::parse(r.out);
  EXPECT_EQ(summary["splits"]["train"]["traces"], 30);
  EXPECT_EQ(summary["splits"]["test"]["traces"], 5);
  EXPECT_EQ(summary["traces"], 35);
  EXPECT_GT(summary["states_per_second"], 0);
  const auto generator = json::parse(read_file(folder / "d" / "manifest.json"))["generator"];
  EXPECT_EQ(generator["seed"], 3);
  EXPECT_EQ(generator["max_instructions"], 9);
}

TEST(Commands, GenerateDrawsOperationsByWeight) {
  const TemporaryFolder folder;
  std::string weights = "ADD=1";
  for (const char* other : {"CLR", "INC", "DEC", "SHL", "SHR", "ROL", "ROR", "NOT", "PUSH", "POP", "LOADI",
                            "SWAP", "SUB", "MUL", "DIV", "AND", "OR", "XOR", "MOV"}) {
    weights += fmt::format(",{}=0", other);
  }
  const auto out = make(folder, "--operation-weights " + weights);
  for (int i = 0; i < 5; ++i) {
    const auto trace = json::parse(datagen("inspect --json --trace " + std::to_string(i) + " " + out).out);
    for (const auto& line : trace["program"]) {
      EXPECT_TRUE(line == "HLT" || line.get<std::string>().starts_with("ADD")) << line;
    }
  }
}

TEST(Commands, VerifyPassesAndFailsWithItsExitCode) {
  const TemporaryFolder folder;
  const auto out = make(folder);
  auto r = datagen("verify --json --threads 2 " + out);
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(json::parse(r.out)["ok"], true);
  EXPECT_EQ(json::parse(r.out)["traces"], 69);

  const auto shard = folder / "d" / "train-00000.safetensors";
  test::flip_byte(shard, std::filesystem::file_size(shard) - 1);
  r = datagen("verify " + out);
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.out, "train-00000.safetensors, trace 59: state")) << r.out;
  r = datagen("verify --json " + out);
  EXPECT_EQ(r.code, 1);
  EXPECT_EQ(json::parse(r.out)["failures"][1]["trace"], 59);
}

TEST(Commands, TraceRunsAProgramAndInspectShowsTheSame) {
  const TemporaryFolder folder;
  test::put(folder / "p.asm", "LOADI 200\nADD A\nADD A B C\nHLT\n");
  const auto out = (folder / "t.bin").string();
  const auto r =
      datagen("trace " + (folder / "p.asm").string() + " --json --set A=100 --set B=0x10 --out " + out);
  ASSERT_EQ(r.code, 0) << r.err;
  auto trace = json::parse(r.out);
  EXPECT_EQ(trace["program"], (json{"LOADI 200", "ADD A", "ADD A B C", "HLT"}));
  EXPECT_EQ(trace["stop"], "halted");
  ASSERT_EQ(trace["states"].size(), 5u);
  EXPECT_EQ(trace["states"][0]["fields"]["A"], 100);
  EXPECT_EQ(trace["states"][2]["instruction"], "ADD A");
  EXPECT_EQ(trace["states"][2]["fields"]["ACC"], 200);
  EXPECT_EQ(trace["states"][3]["fields"]["ACC"], 255);  // saturated
  EXPECT_EQ(trace["states"][4]["fields"]["C"], 116);
  const auto& changed = trace["states"][4]["changed"];
  EXPECT_NE(std::find(changed.begin(), changed.end(), "C"), changed.end());
  EXPECT_EQ(std::find(changed.begin(), changed.end(), "A"), changed.end());

  trace.erase("stop");  // a .bin file does not tell
  EXPECT_EQ(json::parse(datagen("inspect --json " + out).out), trace);
  EXPECT_EQ(read_file(out).size(), 1024u + 5 * 16);
}

TEST(Commands, TraceErrorsNameTheProgramsPlaceAndTheField) {
  const TemporaryFolder folder;
  const auto program = (folder / "p.asm").string();
  test::put(program, "LOADI 1\nFROB A\n");
  auto r = datagen("trace " + program);
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "p.asm:2:1")) << r.err;
  test::put(program, "HLT\n");
  for (const std::string set : {"Z=1", "A", "A=256", "A=-129", "A=", "A=-", "A=1x", "A=0x"}) {
    r = datagen("trace " + program + " --set=" + set);
    EXPECT_EQ(r.code, 2) << set;
    EXPECT_TRUE(contains(r.err, "--set " + set)) << r.err;
  }
}

TEST(Commands, TraceTakesFieldsInAnyCaseNegativeNumbersAndAProgramFromStandardInput) {
  const auto r = test::shell("echo HLT | " BYTECPU_BIN
                             "/bytecpu-datagen trace - --json --set a=-1 --set B=-128 --set aCc=0xFF");
  ASSERT_EQ(r.code, 0) << r.err;
  const auto fields = json::parse(r.out)["states"][0]["fields"];
  EXPECT_EQ(fields["A"], 255);
  EXPECT_EQ(fields["B"], 128);
  EXPECT_EQ(fields["ACC"], 255);
  const auto named = test::shell("echo FROB | " BYTECPU_BIN "/bytecpu-datagen trace --program -");
  EXPECT_EQ(named.code, 1);
  EXPECT_TRUE(contains(named.err, "standard input:1:1")) << named.err;
}

TEST(Commands, TraceSets64BitRegistersNamesAndDataOfANativeMachine) {
  const TemporaryFolder folder;
  test::put(folder / "p.bin", "\xF3\x0F\x1E\xFA\xC3");  // ENDBR64, RET
  const auto trace = "trace --machine x86_64 " + (folder / "p.bin").string() + " --json ";
  const auto r =
      datagen(trace + "--set rdi=-1 --set ESI=0x80000000 --set r8=7 --data 0x10=0a0b --data 18=0c");
  ASSERT_EQ(r.code, 0) << r.err;
  const auto fields = json::parse(r.out)["states"][0]["fields"];
  EXPECT_EQ(fields["EDI"], 0xFFFFFFFF);
  EXPECT_EQ(fields["ESI"], 0x80000000);
  EXPECT_EQ(fields["R8D"], 7);
  EXPECT_EQ(datagen(trace + "--set RDI=0x100000000").code, 2);
  EXPECT_EQ(datagen(trace + "--set EDI=-0x80000001").code, 2);
  for (const char* data : {"0x=00", "0=0", "0=zz", "-1=00", "600=00"}) {
    const auto bad = datagen(trace + "--data=" + data);
    EXPECT_EQ(bad.code, 2) << data;
    EXPECT_TRUE(contains(bad.err, "--data ")) << bad.err;
  }
}

TEST(Commands, TraceOfAFaultExitsWith1AndSaysWhy) {
  const TemporaryFolder folder;
  test::put(folder / "p.asm", "INC A\n.byte 99 0 0 0\n");
  const auto r = datagen("trace " + (folder / "p.asm").string());
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.out, "illegal instruction")) << r.out;
  EXPECT_TRUE(contains(r.err, "p.asm: illegal instruction after 2 steps on toy8: ")) << r.err;
  EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
}

TEST(Commands, DefaultLengthsFitEveryMachinesMemory) {
  const TemporaryFolder folder;
  for (const std::string machine : {"toy8 --memory 64", "arm64", "thumb", "x86_64 --memory 256"}) {
    const auto out = (folder / machine.substr(0, 4)).string();
    const auto r = datagen("generate --train 2 --machine " + machine + " --out " + out);
    EXPECT_EQ(r.code, 0) << machine << r.err;
  }
  const auto most =
      json::parse(read_file(folder / "toy8" / "manifest.json"))["generator"]["max_instructions"];
  EXPECT_EQ(most, 16);
  EXPECT_EQ(datagen("generate --train 2 --memory 64 --max-instructions 17 --out x").code, 2);
}

TEST(Commands, NamesThatAreNotUtf8AreReplacedInJson) {
  const TemporaryFolder folder;
  const auto out = "$'" + folder.path().string() + "/d\\xff'";
  auto r = test::shell("bash -c \"" BYTECPU_BIN "/bytecpu-datagen generate --train 3 --json --out " + out +
                       " && " BYTECPU_BIN "/bytecpu-datagen verify --json " + out + "\"");
  EXPECT_EQ(r.code, 0) << r.err;
  EXPECT_TRUE(contains(r.out, "d\xEF\xBF\xBD")) << r.out;
}

TEST(Commands, TraceStopsAtItsStepLimit) {
  const TemporaryFolder folder;
  std::string program;
  for (int i = 0; i < 256; ++i)
    program += "INC A\n";  // no HLT: the machine would stay at the last instruction
  test::put(folder / "p.asm", program);
  const auto r = datagen("trace --json --steps 1000 " + (folder / "p.asm").string());
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(json::parse(r.out)["stop"], "step limit");
  EXPECT_EQ(json::parse(r.out)["states"].size(), 1001u);
}

TEST(Commands, InspectShowsAnAlignedTable) {
  const auto r = datagen("inspect " + reference_trace);
  ASSERT_EQ(r.code, 0) << r.err;
  std::istringstream lines(r.out);
  std::string line;
  size_t header = 0, rows = 0;
  while (std::getline(lines, line)) {
    if (line.starts_with("state")) header = line.find(" ACC") + 4;
    if (header == 0 || line.starts_with("state")) continue;
    ++rows;
    EXPECT_TRUE(std::isdigit(line.at(header - 1)) && (line[header] == ' ' || line[header] == '*')) << line;
  }
  EXPECT_EQ(rows, (std::filesystem::file_size(reference_trace) - 1024) / 16);
}

TEST(Commands, InspectSummarisesShardsDatasetsAndFolders) {
  const TemporaryFolder folder;
  const auto out = make(folder);
  EXPECT_TRUE(contains(datagen("inspect " + out).out, "60 traces"));
  EXPECT_EQ(json::parse(datagen("inspect --json " + out).out)["splits"]["test"]["traces"], 9);
  EXPECT_EQ(json::parse(datagen("inspect --json " + out + "/test-00000.safetensors").out)["traces"], 9);
  EXPECT_EQ(datagen("inspect --trace 8 --split test " + out).out,
            datagen("inspect --trace 8 " + out + "/test-00000.safetensors").out);
  EXPECT_TRUE(contains(datagen("inspect " BYTECPU_REFERENCE "/traces").out, "22 train"));
}

TEST(Commands, AClosedPipeEndsTheProgramQuietlyAndAFullDiskDoesNot) {
  auto r = test::shell("trap '' PIPE; for i in 1 2 3; do " BYTECPU_BIN "/bytecpu-datagen inspect --json " +
                       reference_trace + " | head -c 1; done");
  EXPECT_TRUE(r.err.empty()) << r.err;
  r = test::shell(BYTECPU_BIN "/bytecpu-datagen --help >/dev/full");
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "standard output")) << r.err;
}

}  // namespace
}  // namespace bytecpu
