#include "datagen/io/cli.hpp"

#include "tests/datagen/support.hpp"

namespace bytecpu::cli {
namespace {

using test::contains;
using test::TemporaryFolder;

// Runs a program with the options a (int, default 1), b (string, required) and flag, and the argument c.
struct Run {
  int code = -1;
  std::string a, b, c, ini, err;
};

Run run(std::vector<std::string> arguments) {
  Run result;
  Command command{
      .name = "", .summary = "Summary.", .usage = "C", .options = {}, .positional = {}, .run = {}};
  command.options.add_options()("a", po::value<int>()->default_value(1), "")(
      "b", po::value<std::string>()->required(), "")("c", po::value<std::string>(), "")(
      "rate", po::value<double>()->default_value(0.1), "")("flag", po::bool_switch(), "");
  command.positional.add("c", 1);
  command.run = [&](const po::variables_map& values) {
    result.a = std::to_string(values["a"].as<int>());
    result.b = values["b"].as<std::string>();
    if (values.count("c")) result.c = values["c"].as<std::string>();
    result.ini = to_ini(values);
  };
  arguments.insert(arguments.begin(), "program");
  std::vector<char*> argv;
  for (auto& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  result.code = cli::main("program", "Summary.", {command}, static_cast<int>(argv.size()), argv.data());
  result.err = testing::internal::GetCapturedStderr();
  testing::internal::GetCapturedStdout();
  return result;
}

TEST(Cli, ReadsFlagsAndPositionals) {
  const auto r = run({"--b", "x y", "--a=-3", "argument"});
  EXPECT_EQ(r.code, 0);
  EXPECT_EQ(r.a, "-3");
  EXPECT_EQ(r.b, "x y");
  EXPECT_EQ(r.c, "argument");
}

TEST(Cli, BadUsageExitsWith2AndSaysWhat) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{}, "--b"},
      {{"--b", "x", "--unknown"}, "--unknown"},
      {{"--b", "x", "--a", "1x"}, "1x"},
      {{"--b", "x", "--fla"}, "--fla"},  // no abbreviations: a later option would change their meaning
      {{"--b", "x", "one", "two"}, "\"two\""},
      {{"--b", "x", "--b", "y"}, "--b"},
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
  write_file(folder / "c.ini", "# comment\na = 7\nb = from file\nflag = true\n");
  const auto config = (folder / "c.ini").string();
  EXPECT_EQ(run({"--config", config}).a, "7");
  EXPECT_EQ(run({"--config", config}).b, "from file");
  EXPECT_EQ(run({"--config", config, "--a", "9"}).a, "9");
  EXPECT_EQ(run({"--config", config, "--a", "1"}).a, "1");  // the default, given
}

TEST(Cli, ConfigurationErrorsNameFileAndKey) {
  const TemporaryFolder folder;
  const auto config = (folder / "c.ini").string();
  const auto error = [&](std::string_view text) {
    write_file(folder / "c.ini", text);
    const auto r = run({"--config", config});
    EXPECT_TRUE(contains(r.err, config)) << r.err;
    return std::pair(r.code, r.err);
  };
  EXPECT_TRUE(contains(error("b = x\nunknown = 1\n").second, "unknown"));
  EXPECT_EQ(error("b = x\nunknown = 1\n").first, 2);
  EXPECT_TRUE(contains(error("b = x\n[section]\na = 1\n").second, "section.a"));
  EXPECT_TRUE(contains(error("b = x\na = word\n").second, "word"));
  EXPECT_TRUE(contains(error("b = x\nno equals\n").second, "no equals"));
  EXPECT_EQ(run({"--config", (folder / "none.ini").string()}).code, 1);
}

TEST(Cli, ResolvedOptionsAsConfigurationRunTheSameAgain) {
  const TemporaryFolder folder;
  const auto first = run({"--b", "x y", "--a", "5", "--rate", "0.30000000000000004", "--flag", "argument"});
  write_file(folder / "c.ini", first.ini);
  const auto second = run({"--config", (folder / "c.ini").string()});
  EXPECT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(second.ini, first.ini);
  EXPECT_EQ(second.b, "x y");
  EXPECT_EQ(second.c, "argument");
  EXPECT_TRUE(contains(first.ini, "flag = true"));
  for (const char* text : {"a#b", " a", "a\nb"}) {
    const auto r = run({"--b", text});
    EXPECT_EQ(r.code, 2);
    EXPECT_TRUE(contains(r.err, "--b")) << r.err;
  }
}

TEST(Cli, ANamedCommandBesideTheProgramItselfRunsWhereItIsNamed) {
  std::string ran;
  const auto command = [&](const std::string& name) {
    return Command{.name = name,
                   .summary = "",
                   .usage = "",
                   .options = {},
                   .positional = {},
                   .run = [&ran, name](const po::variables_map&) { ran += '[' + name + ']'; }};
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
  const Command command{.name = "",
                        .summary = "",
                        .usage = "",
                        .options = {},
                        .positional = {},
                        .run = [](const po::variables_map&) { throw Error("it failed"); }};
  char name[] = "program";
  char* argv[] = {name};
  testing::internal::CaptureStderr();
  EXPECT_EQ(cli::main("program", "", {command}, 1, argv), 1);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "program: it failed\n");
}

TEST(Cli, CommandLineIsTheOneThatRuns) { EXPECT_TRUE(contains(command_line(), "test")) << command_line(); }

}  // namespace
}  // namespace bytecpu::cli
