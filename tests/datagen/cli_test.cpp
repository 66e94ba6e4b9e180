#include "datagen/io/cli.hpp"

#include "tests/datagen/support.hpp"

namespace bytecpu::cli {
namespace {

using test::contains;
using test::TemporaryFolder;

// A program with the options a (default 1), b (required), rate, flag and set (repeated), and the argument c.
struct Values {
  int a = 1;
  double rate = 0.1;
  bool flag = false;
  std::string b, c;
  std::vector<std::string> set;
};

OptionList options(Values& v) {
  OptionList field;
  field(v.a, "a", any_number(), "the a");
  field(v.rate, "rate", in(0, 1), "the rate");
  field(v.flag, "flag", "the flag");
  field(v.b, "b", text("B"), "the b").required();
  field(v.c, "c", text("C"), "the c").positional();
  field(v.set, "set", text("X"), "the set");
  return field;
}

struct Run {
  int code = -1;
  Values values;
  std::string ini, out, err;
};

Run run(std::vector<std::string> arguments) {
  Run result;
  const Command command{.name = "",
                        .summary = "Summary.",
                        .usage = "C",
                        .options = options(result.values),
                        .run = [&](const OptionList& given) { result.ini = given.ini(); }};
  arguments.insert(arguments.begin(), "program");
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  result.code = cli::main("program", "Summary.", {command}, static_cast<int>(argv.size()), argv.data());
  result.err = testing::internal::GetCapturedStderr();
  result.out = testing::internal::GetCapturedStdout();
  return result;
}

TEST(Cli, ReadsFlagsAndPositionals) {
  const auto r = run({"--b", "x y", "--a=-3", "argument"});
  EXPECT_EQ(r.code, 0);
  EXPECT_EQ(r.values.a, -3);
  EXPECT_EQ(r.values.b, "x y");
  EXPECT_EQ(r.values.c, "argument");
  EXPECT_EQ(run({"--b", "x", "-"}).values.c, "-");
  EXPECT_EQ(run({"--b", "-"}).values.b, "-");
}

TEST(Cli, HelpShowsWhatEveryOptionMayBeAndItsDefault) {
  for (const std::string help : {"-h", "--help"}) {
    const auto r = run({help});
    EXPECT_EQ(r.code, 0) << r.err;
    for (const char* part : {"--a N (=1)", "--rate X (=0.1)", "the rate (from 0 to 1)", "--b B", "--flag"}) {
      EXPECT_TRUE(contains(r.out, part)) << part << '\n' << r.out;
    }
  }
}

// Boost.Program_options puts what the user wrote into its own messages again and again.
TEST(Cli, TextWithThePlaceholdersOfBoostEndsLikeAnyOther) {
  const TemporaryFolder folder;
  const auto config = (folder / "c.ini").string();
  for (const std::string word :
       {"%value%", "%option%", "%canonical_option%", "%prefix%", "%original_token%"}) {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--b", "x", "--a", word},
                                                      {"--b", "x", "--" + word},
                                                      {word, word},
                                                      {"--b", "x", word, word},
                                                      {"--b", "x", "--flag=" + word},
                                                      {"-" + word},
                                                      {"--b=", word}}) {
      const auto r = run(arguments);
      EXPECT_EQ(r.code, 2);
      EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    }
    for (const std::string& line : {"a = " + word, word + " = 1", word, "[" + word + "]"}) {
      write_file(folder / "c.ini", "b = x\n" + line + "\n");
      EXPECT_EQ(run({"--config", config}).code, 2);
    }
    EXPECT_EQ(run({"--b", word}).values.b, word);
  }
}

TEST(Cli, BadUsageExitsWith2AndSaysWhat) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "--b"},
      {{"--b", "x", "--unknown"}, "--unknown"},
      {{"--b", "x", "--a", "1x"}, "1x"},
      {{"--b", "x", "--fla"}, "--fla"},  // no abbreviations: a later option would change their meaning
      {{"--b", "x", "one", "two"}, "\"two\""},
      {{"--b", "x", "--b", "y"}, "--b"},
      {{"--b", "x", "--config", "c", "--config", "d"}, "--config"},
      {{"--b", "x", "--rate", "2"}, "--rate 2: use a number from 0 to 1"},
      {{"--b", "x", "--flag=1"}, "--flag"},
      {{"--b"}, "--b"}};
  for (const auto& [arguments, part] : cases) {
    const auto r = run(arguments);
    EXPECT_EQ(r.code, 2);
    EXPECT_TRUE(contains(r.err, part)) << r.err;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
  }
}

TEST(Cli, ConfigurationOverridesDefaultsAndFlagsOverrideConfiguration) {
  const TemporaryFolder folder;
  write_file(folder / "c.ini",
             "\xEF\xBB\xBF# comment\r\na = 7\r\nb = from file\r\nflag = true\r\nset = 1\r\n");
  const auto config = (folder / "c.ini").string();
  EXPECT_EQ(run({"--config", config}).values.a, 7);
  EXPECT_EQ(run({"--config", config}).values.b, "from file");
  EXPECT_TRUE(run({"--config", config}).values.flag);
  EXPECT_EQ(run({"--config", config, "--a", "9"}).values.a, 9);
  EXPECT_EQ(run({"--config", config, "--a", "1"}).values.a, 1);  // the default, given
  EXPECT_EQ(run({"--config", config, "--set", "2"}).values.set, (std::vector<std::string>{"1", "2"}));
}

TEST(Cli, ConfigurationErrorsNameFileLineAndKey) {
  const TemporaryFolder folder;
  const auto config = (folder / "c.ini").string();
  const auto error = [&](std::string_view text) {
    write_file(folder / "c.ini", text);
    const auto r = run({"--config", config});
    EXPECT_EQ(r.code, 2);
    EXPECT_TRUE(contains(r.err, config + ":2: ")) << r.err;
    return r.err;
  };
  EXPECT_TRUE(contains(error("b = x\nunknown = 1\n"), "unknown"));
  EXPECT_TRUE(contains(error("b = x\n[section]\na = 1\n"), "section"));
  EXPECT_TRUE(contains(error("b = x\na = word\n"), "word"));
  EXPECT_TRUE(contains(error("b = x\nno equals\n"), "no equals"));
  EXPECT_TRUE(contains(error("b = x\nb = y\n"), "twice"));
  EXPECT_EQ(run({"--config", (folder / "none.ini").string()}).code, 1);
}

TEST(Cli, ResolvedOptionsAsConfigurationRunTheSameAgain) {
  const TemporaryFolder folder;
  const auto first = run({"--b", " x y#", "--a", "5", "--rate", "0.30000000000000004", "--flag", "--set", "p",
                          "--set", "q", "argument"});
  write_file(folder / "c.ini", first.ini);
  const auto second = run({"--config", (folder / "c.ini").string()});
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.ini, first.ini);
  EXPECT_EQ(second.values.b, " x y#");
  EXPECT_EQ(second.values.c, "argument");
  EXPECT_TRUE(contains(first.ini, "flag = true"));
}

TEST(Cli, ANamedCommandBesideTheProgramItselfRunsWhereItIsNamed) {
  std::string ran;
  const auto command = [&](const std::string& name) {
    return Command{.name = name,
                   .summary = "",
                   .usage = "",
                   .options = OptionList(),
                   .run = [&ran, name](const OptionList&) { ran += '[' + name + ']'; }};
  };
  char program[] = "program", name[] = "export";
  char* argv[] = {program, name};
  for (const int count : {1, 2})
    EXPECT_EQ(cli::main("program", "", {command(""), command(name)}, count, argv), 0);
  EXPECT_EQ(ran, "[][export]");
  char other[] = "exports";
  argv[1] = other;
  testing::internal::CaptureStderr();
  EXPECT_EQ(cli::main("program", "", {command(""), command(name)}, 2, argv), 2);
  EXPECT_TRUE(contains(testing::internal::GetCapturedStderr(), "exports"));
}

TEST(Cli, FailureExitsWith1) {
  const Command command{
      .name = "", .summary = "", .usage = "", .options = OptionList(), .run = [](const OptionList&) {
        throw Error("it failed");
      }};
  char name[] = "program";
  char* argv[] = {name};
  testing::internal::CaptureStderr();
  EXPECT_EQ(cli::main("program", "", {command}, 1, argv), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "program: it failed\n");
}

TEST(Cli, CommandLineIsTheOneThatRuns) { EXPECT_TRUE(contains(command_line(), "test")) << command_line(); }

}  // namespace
}  // namespace bytecpu::cli
