// Datasets of native machines, and given programs: flat binaries and functions of ELF objects.
#include <elf.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "emulator/machine.hpp"
#include "tests/datagen/support.hpp"

namespace bytecpu {
namespace {

using nlohmann::json;
using test::contains;
using test::datagen;
using test::TemporaryFolder;
using namespace std::string_literals;

class NativeDatasets : public testing::TestWithParam<std::string> {};
std::vector<std::string> native_machines() {
  std::vector<std::string> names;
  for (const auto name : machine_names()) {
    if (name != "toy8") names.emplace_back(name);
  }
  return names;
}
INSTANTIATE_TEST_SUITE_P(Machines, NativeDatasets, testing::ValuesIn(native_machines()),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(NativeDatasets, AreGeneratedVerifiedExportedAndImported) {
  const TemporaryFolder folder;
  const auto at = [&](const char* name) { return (folder / name).string(); };
  const auto generate = fmt::format(
      "generate --machine {} --max-instructions 40 --train 150 --test 30 --shard-traces 50 --memory-share "
      "0.4 --anywhere-share 0.5 ",
      GetParam());
  auto r = datagen(generate + "--threads 2 --out " + at("a"));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(datagen(generate + "--out " + at("b")).code, 0);
  test::expect_same_tree(folder / "a", folder / "b");

  // An interrupted generation goes on.
  test::fs::remove(folder / "b" / "manifest.json");
  test::fs::remove(folder / "b" / "train-00001.safetensors");
  r = datagen(generate + "--json --out " + at("b"));
  EXPECT_EQ(json::parse(r.out)["resumed_shards"], 3);
  test::expect_same_tree(folder / "a", folder / "b");

  r = datagen("verify --json --threads 2 " + at("a"));
  EXPECT_EQ(r.code, 0) << r.out;
  EXPECT_EQ(json::parse(r.out)["traces"], 180);
  EXPECT_EQ(json::parse(r.out)["overlap"], 0);
  const auto manifest = json::parse(read_file(folder / "a" / "manifest.json"));
  EXPECT_EQ(manifest["layout"]["record_version"], 2);
  const auto shown = datagen("inspect " + at("a")).out;
  EXPECT_TRUE(contains(shown, "version 2")) << shown;
  EXPECT_TRUE(contains(shown, fmt::format("made with Unicorn {}, Capstone {}",
                                          manifest["engines"]["unicorn"].get<std::string>(),
                                          manifest["engines"]["capstone"].get<std::string>())))
      << shown;
  const int memory = usual_memory(GetParam());
  EXPECT_EQ(manifest["layout"]["data_offset"], memory / 2);
  EXPECT_EQ(manifest["layout"].contains("regions"), memory > 1024);
  EXPECT_EQ(manifest["generator"]["memory_share"], 0.4);
  EXPECT_EQ(manifest["generator"]["anywhere_share"], 0.5);

  EXPECT_EQ(datagen("export --out " + at("files") + " " + at("a")).code, 0);
  EXPECT_EQ(datagen(fmt::format("verify --machine {} {}", GetParam(), at("files"))).code, 0);
  EXPECT_EQ(datagen(fmt::format("import --machine {} --out {} {}", GetParam(), at("c"), at("files"))).code,
            0);
  EXPECT_EQ(json::parse(datagen("inspect --json " + at("c")).out)["splits"]["train"]["traces"], 150);
}

// As generate wrote them before: other fields, and no record version.
TEST_P(NativeDatasets, OfRecordsOfVersion1AreRefusedWithWhatToDo) {
  const TemporaryFolder folder;
  const auto at = [&](const char* name) { return (folder / name).string(); };
  const auto options = fmt::format(" --machine {} --max-instructions 10 --train 20 --out ", GetParam());
  ASSERT_EQ(datagen("generate" + options + at("d")).code, 0);
  ASSERT_EQ(datagen("generate --format files" + options + at("files")).code, 0);
  const auto make_old = [](json& layout) {
    layout.erase("record_version");
    for (auto& field : layout["fields"]) {
      if (field["name"] == "ACCESS_OFFSET") field["name"] = "WRITE_OFFSET";
    }
  };
  for (const char* name : {"d/manifest.json", "files/generator.json"}) {
    auto description = json::parse(read_file(folder / name));
    EXPECT_EQ(description["layout"]["record_version"], 2);
    make_old(description["layout"]);
    test::put(folder / name, description.dump());
  }
  auto shard = read_file(folder / "d" / "train-00000.safetensors");
  shard.replace(shard.find("record_version"), 14, "other__version");
  test::put(folder / "d" / "train-00000.safetensors", shard);

  const auto mend =
      fmt::format("bytecpu-datagen generate --machine {} --memory {}", GetParam(), usual_memory(GetParam()));
  for (const auto& command :
       {"inspect " + at("d"), "inspect --trace 0 " + at("d"), "verify " + at("d"),
        "export --out " + at("e") + " " + at("d"), "generate" + options + at("d"),
        "inspect " + at("d/train-00000.safetensors"), "inspect " + at("files"),
        fmt::format("verify --machine {} {}", GetParam(), at("files")),
        fmt::format("import --machine {} --out {} {}", GetParam(), at("i"), at("files"))}) {
    const auto r = datagen(command);
    EXPECT_EQ(r.code, 1) << command;
    EXPECT_TRUE(contains(r.err, "of version 1")) << command << '\n' << r.err;
    EXPECT_TRUE(contains(r.err, mend)) << command << '\n' << r.err;
    EXPECT_EQ(std::ranges::count(r.err, '\n'), 1) << r.err;
  }
}

TEST(Toy8Datasets, MadeBeforeThereWereRecordVersionsAndEnginesStayAsTheyWere) {
  const TemporaryFolder folder;
  const auto at = (folder / "d").string();
  const std::string generate = "generate --memory 64 --max-instructions 10 --train 20 --out " + at;
  ASSERT_EQ(datagen(generate).code, 0);
  const auto path = folder / "d" / "manifest.json";
  auto manifest = nlohmann::ordered_json::parse(read_file(path));
  EXPECT_FALSE(manifest["layout"].contains("record_version"));
  EXPECT_EQ(manifest["engines"].size(), 2u);
  EXPECT_FALSE(contains(read_file(folder / "d" / "train-00000.safetensors"), "record_version"));
  manifest.erase("engines");
  test::put(path, manifest.dump(1) + "\n");
  EXPECT_EQ(datagen("verify " + at).code, 0);
  EXPECT_FALSE(contains(datagen("inspect " + at).out, "Unicorn"));
  // Generated again it is complete; who made its shards is as unknown as before.
  EXPECT_EQ(json::parse(datagen(generate + " --json").out)["resumed_shards"], 1);
  EXPECT_EQ(read_file(path), manifest.dump(1) + "\n");
}

TEST(NativeFaults, AreKeptOrDropped) {
  const TemporaryFolder folder;
  const auto stops = [&](const std::string& faults) {
    const auto out = (folder / faults).string();
    EXPECT_EQ(datagen("generate --machine x86_64 --max-instructions 60 --train 400 --faults " + faults +
                      " --out " + out)
                  .code,
              0);
    EXPECT_EQ(datagen("verify " + out).code, 0);
    const bool has_stops =
        contains(read_file(folder / faults / "train-00000.safetensors").substr(0, 1000), "\"stops\"");
    return has_stops;
  };
  EXPECT_TRUE(stops("keep"));
  EXPECT_FALSE(stops("drop"));
  const auto r = datagen("generate --machine x86_64 --train 4 --rng python --faults drop --out " +
                         (folder / "p").string());
  EXPECT_EQ(r.code, 2);
}

TEST(NativeTrace, TakesAFlatBinaryWithRegistersAndData) {
  const TemporaryFolder folder;
  // MOV EAX, [RDI]; ADD EAX, [RDI + 4]; RET
  test::put(folder / "f.bin", "\x8b\x07\x03\x47\x04\xc3"s);
  test::put(folder / "d.bin", "\x05\0\0\0"s);
  const auto run = [&](const std::string& more) {
    return datagen("trace --machine x86_64 " + (folder / "f.bin").string() + " --set EDI=0x11010 " + more);
  };
  const auto trace =
      json::parse(run("--json --data 16=03000000 --data 20=@" + (folder / "d.bin").string()).out);
  EXPECT_EQ(trace["stop"], "halted");
  EXPECT_EQ(trace["states"].back()["instruction"], "hlt");
  EXPECT_EQ(trace["states"].back()["fields"]["EAX"], 8);
  for (const std::string data : {"16", "x=00", "16=0", "16=0g", "16=zz00", "512=00", "510=000000"}) {
    const auto r = run("--data " + data);
    EXPECT_EQ(r.code, 2) << data;
    EXPECT_TRUE(contains(r.err, "--data " + data)) << r.err;
  }
  // Data over the stack, and over the return address.
  const auto data = [](int offset, int bytes) {
    return "--data " + std::to_string(offset) + "=" + std::string(2 * static_cast<size_t>(bytes), '0');
  };
  EXPECT_EQ(run(data(0, 448)).code, 0);
  for (const auto& covering : {data(0, 449), data(447, 2), data(503, 1), data(504, 8), data(511, 1)}) {
    const auto r = run(covering);
    EXPECT_EQ(r.code, 2);
    EXPECT_TRUE(contains(r.err, "lies the program's ")) << r.err;
    EXPECT_NE(run("--set esp=0x11100 " + covering).code, 2);
  }
  EXPECT_TRUE(contains(run(data(510, 1)).err, "from offset 504 on lies the program's return address"));
  const auto r = datagen("trace --machine x86_64 " + (folder / "f.bin").string() + " --set EDI=0x11010");
  EXPECT_TRUE(contains(r.out,
                       "code 0x10000 … 0x101ff, data 0x11000 … 0x111bf, stack 0x111c0 … 0x111f7, "
                       "return address 0x111f8 … 0x111ff\n"))
      << r.out;
  test::put(folder / "p.asm", "HLT\n");
  EXPECT_EQ(datagen("trace --data 0=00 " + (folder / "p.asm").string()).code, 2);  // toy8 has none
}

#if defined(__x86_64__)
TEST(NativeTrace, TakesAFunctionOfACompiledObject) {
  const TemporaryFolder folder;
  test::put(folder / "f.c",
            "int outside(int);\n"
            "int sum(const int *values, int count) {\n"
            "  int total = 0;\n"
            "  for (int i = 0; i < count; ++i) total += values[i];\n"
            "  return total;\n"
            "}\n"
            "int factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }\n"
            "int call(int n) { return outside(n) + 1; }\n");
  const auto object = (folder / "f.o").string();
  const auto compiled = test::shell("gcc -Os -fno-optimize-sibling-calls -fcf-protection=none -c -o " +
                                    object + " " + (folder / "f.c").string());
  if (compiled.code != 0) GTEST_SKIP() << "no gcc: " << compiled.err;
  const auto trace = [&](const std::string& more) {
    return datagen("trace --machine x86_64 --json --program " + object + " " + more);
  };
  auto r = trace("--function sum --set EDI=0x11000 --set ESI=4 --data 0=01000000020000000300000004000000");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(json::parse(r.out)["stop"], "halted");
  EXPECT_EQ(json::parse(r.out)["states"].back()["fields"]["EAX"], 10);

  r = trace("--function factorial --set EDI=5");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(json::parse(r.out)["states"].back()["fields"]["EAX"], 120);

  r = trace("--function call");
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "call needs outside")) << r.err;
  r = trace("--function none");
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "sum, factorial, call")) << r.err;
  r = trace("");
  EXPECT_EQ(r.code, 1);
  r = datagen("trace --machine arm64 --function sum --program " + object);
  EXPECT_EQ(r.code, 1);
  EXPECT_TRUE(contains(r.err, "for x86-64, not AArch64")) << r.err;

  // Whatever is damaged: an error or a trace, no crash.
  const auto whole = read_file(object);
  for (size_t at = 0; at < whole.size(); at += 97) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(~damaged[at]);
    test::put(folder / "damaged.o", damaged);
    r = datagen("trace --machine x86_64 --function sum --steps 100 --program " +
                (folder / "damaged.o").string());
    EXPECT_TRUE(r.code == 0 || r.code == 1) << at << r.err;
  }
  for (size_t size = 4; size < whole.size(); size += 251) {
    test::put(folder / "damaged.o", whole.substr(0, size));
    EXPECT_EQ(
        datagen("trace --machine x86_64 --function sum --program " + (folder / "damaged.o").string()).code,
        1);
  }
}
#endif

// An object with one function, put together by hand: ADD W0, W0, W1; RET.
TEST(NativeTrace, TakesAnArm64Object) {
  const std::string strings = "\0add\0"s;
  const uint32_t code[] = {0x0B010000, 0xD65F03C0};
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_REL;
  header.e_machine = EM_AARCH64;
  Elf64_Sym symbols[2]{};
  symbols[1] = {.st_name = 1,
                .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
                .st_other = 0,
                .st_shndx = 1,
                .st_value = 0,
                .st_size = sizeof code};
  const uint64_t code_at = sizeof header, symbols_at = code_at + sizeof code,
                 strings_at = symbols_at + sizeof symbols, sections_at = strings_at + strings.size();
  Elf64_Shdr sections[4]{};
  sections[1].sh_type = SHT_PROGBITS;
  sections[1].sh_offset = code_at;
  sections[1].sh_size = sizeof code;
  sections[2].sh_type = SHT_SYMTAB;
  sections[2].sh_offset = symbols_at;
  sections[2].sh_size = sizeof symbols;
  sections[2].sh_link = 3;
  sections[3].sh_type = SHT_STRTAB;
  sections[3].sh_offset = strings_at;
  sections[3].sh_size = strings.size();
  header.e_shoff = sections_at;
  header.e_shnum = 4;
  const auto bytes = [](const auto& value) {
    return std::string(reinterpret_cast<const char*>(&value), sizeof value);
  };
  const TemporaryFolder folder;
  test::put(folder / "f.o", bytes(header) + bytes(code) + bytes(symbols) + strings + bytes(sections));
  const auto r =
      datagen("trace --machine arm64 --json --set W0=30 --set W1=12 --program " + (folder / "f.o").string());
  ASSERT_EQ(r.code, 0) << r.err;
  const auto trace = json::parse(r.out);
  EXPECT_EQ(trace["stop"], "halted");
  EXPECT_EQ(trace["states"].back()["fields"]["W0"], 42);
  EXPECT_EQ(trace["states"][2]["instruction"], "ret");
}

}  // namespace
}  // namespace bytecpu
