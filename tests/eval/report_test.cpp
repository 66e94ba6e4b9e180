#include "eval/report/report.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "emulator/error.hpp"
#include "eval/documents/document.hpp"
#include "eval/documents/numbers.hpp"
#include "eval/documents/text.hpp"
#include "eval/sweeps/exhaustive.hpp"
#include "eval/truth/evaluation.hpp"
#include "support.hpp"
#include "tests/emulator/native/support.hpp"

namespace bytecpu {
namespace {

using nlohmann::ordered_json;

std::string embedded(const std::string& html) {
  const std::string open = "<script type=\"application/json\" id=\"document\">", close = "</script>";
  const size_t begin = html.find(open) + open.size();
  return html.substr(begin, html.find(close, begin) - begin);
}

TEST(Report, HoldsTheDocumentWhateverItsStringsHold) {
  const ordered_json document = {
      {"predictor", {{"name", "</script><script>alert(1)</script><!-- & \u2028 \" \\"}}}, {"n", 1.5}};
  const std::string html = render_report(document);
  EXPECT_EQ(html.find("alert(1)</script>"), std::string::npos);
  EXPECT_EQ(ordered_json::parse(embedded(html)), document);
}

TEST(Report, NeedsNothingFromTheNetwork) {
  const std::string html = render_report(ordered_json::object());
  for (const char* reference : {" src=", "@import", "url(", "<link", "fetch("}) {
    EXPECT_EQ(html.find(reference), std::string::npos) << reference;
  }
}

TEST(Report, ReplacesTextThatIsNotUtf8) {
  EXPECT_NE(render_report({{"name", "\xff"}}).find("\ufffd"), std::string::npos);
}

struct Page : testing::Test {
  std::unique_ptr<Machine> machine = make_machine("toy8", test_memory);
};

// What a browser as wide as a phone makes of the page; empty where there is none.
std::string page_in_browser(const std::string& html) {
  std::string browser;
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (browser.empty() && std::system(("command -v " + std::string(name) + " >/dev/null").c_str()) == 0)
      browser = name;
  }
  if (browser.empty()) return "";
  const auto folder =
      std::filesystem::path(testing::TempDir()) / ("bytecpu_page_" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  // How far it is wider than its window.
  std::ofstream(folder / "report.html")
      << html
      << "<script>setTimeout(() => document.body.dataset.overflow = "
         "Math.max(0, document.documentElement.scrollWidth - innerWidth), 1000)</script>";
  const auto command = fmt::format(
      "{} --headless --no-sandbox --disable-gpu --user-data-dir={}/profile --window-size=390,800 "
      "--virtual-time-budget=5000 --dump-dom "
      "file://{}/report.html 2>/dev/null",
      browser, folder.string(), folder.string());
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string page;
  char buffer[4096];
  for (size_t n; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) page.append(buffer, n);
  ::pclose(pipe);
  std::filesystem::remove_all(folder);
  return page;
}

// The page's text before its scripts, its elements parted by "|".
std::string text_of(const std::string& page) {
  std::string text;
  const size_t end = page.find("<script");
  for (size_t at = page.find("<body"); at < end; ++at) {
    if (page[at] != '<') {
      text += page[at];
      continue;
    }
    at = page.find('>', at);
    if (text.empty() || text.back() != '|') text += '|';
  }
  return text;
}

// Nothing of the page failed, is no number, or is wider than the window.
void expect_whole(const std::string& page) {
  const std::string drawn = page.substr(page.find("<body"), page.find("<script") - page.find("<body"));
  EXPECT_NE(drawn.find("<h2>"), drawn.npos) << "there are no sections";
  EXPECT_NE(drawn.find("data-overflow=\"0\""), drawn.npos) << "wider than its window";
  for (const char* fault : {"could not be drawn", "NaN", "Infinity", "undefined", "[object"}) {
    const size_t at = drawn.find(fault);
    EXPECT_EQ(at, drawn.npos) << drawn.substr(at - std::min<size_t>(at, 100), 200);
  }
}

// Both modes of an evaluation, the copy baseline beside them.
ordered_json modes_of(Predictor& predictor, const TestSet& set, const Machine& machine) {
  ordered_json modes;
  for (const Mode mode : {Mode::step, Mode::rollout}) {
    auto& json = modes[std::string(to_string(mode))] =
        to_json(evaluate(predictor, mode, set, machine, 64), machine);
    CopyPredictor copy(machine.layout());
    json["baselines"]["copy"] = headline(evaluate(copy, mode, set, machine, 64));
    json["seconds"] = 1;
  }
  return modes;
}

ordered_json document_of(const Machine& machine, const ordered_json& modes) {
  return {{"bytecpu", "test"},
          {"command", "a test"},
          {"time", "2024-01-01T00:00:00Z"},
          {"predictor", {{"name", "corrupted"}}},
          {"data", {{"source", "fresh"}, {"layout", to_json(machine.layout())}}},
          {"modes", modes}};
}

std::string wrong_of(const ordered_json& rate) {
  return fmt::format("{} of {} wrong", grouped(rate.at("wrong")), grouped(rate.at("total")));
}

TEST_F(Page, ShowsTheFiguresOfTheDocument) {
  ProgramOptions programs;
  programs.max_instructions = 15;
  const TestSet set = fresh_traces(*machine, programs, 60, 1, nullptr);
  CorruptedPredictor corrupted(machine->layout());
  corrupted.corrupt_step = [](StepPrediction& p, const Trace& t) {
    if (t.image()[0] % 3 == 0) p.steps[1] ^= 1;
    if (t.record(0)[1] == 9) p.steps[17] ^= 1;
  };
  corrupted.corrupt_rollout = [](Rollout& p, const Trace& t) {
    if (t.image()[0] % 4 == 0) p.steps.resize(p.steps.size() - 16);
  };
  auto modes = modes_of(corrupted, set, *machine);
  ExhaustiveOptions options;
  options.forms = {"INC"};
  modes["exhaustive"] = to_json(evaluate_exhaustive(corrupted, *machine, options));
  const std::string page = page_in_browser(render_report(document_of(*machine, modes)));
  if (page.empty()) GTEST_SKIP() << "there is no chromium here to open the page with";
  expect_whole(page);

  const auto expect_shown = [&](const std::string& text) {
    EXPECT_NE(page.find(text), page.npos) << "not in the page: " << text;
  };
  const auto bin_text = [&](const char* what, const ordered_json& bin, const char* rate) {
    return fmt::format("{} {}: {}", what, bin.at("first").dump(), wrong_of(bin.at(rate)));
  };
  for (const char* mode : {"step", "rollout"}) {
    const auto& scores = modes.at(mode);
    for (const char* what : {"bytes", "changed", "unchanged", "states", "traces", "ends"}) {
      for (const auto& rates : {scores, scores.at("baselines").at("copy")}) {
        const auto& rate = rates.at(what);
        expect_shown(fmt::format(">{}</td>", accuracy_text({rate.at("right"), rate.at("total")})));
        expect_shown(wrong_of(rate));
      }
    }
    for (const char* list : {"by_form", "by_group", "by_field"}) {
      for (const auto& row : scores.at(list)) expect_shown(wrong_of(row));
    }
    for (const auto& bin : scores.at("by_step").at("bins")) expect_shown(bin_text("state", bin, "states"));
    for (const auto& bin : scores.at("by_length")) expect_shown(bin_text("length", bin, "states"));
    for (const auto& example : scores.at("examples"))
      expect_shown(fmt::format("trace {}, {} wrong byte", example.at("trace").dump(),
                               example.at("wrong_bytes").dump()));
  }
  for (const auto& bin : modes.at("rollout").at("after_error").at("bins"))
    expect_shown(bin_text("distance", bin, "bytes"));
  const auto& results = modes.at("exhaustive").at("results");
  expect_shown(
      fmt::format("{} of {} cases wrong", grouped(results.at("wrong")), grouped(results.at("total"))));
}

// A training that noted what is no number, as JSON has it.
const auto a_training = ordered_json::array(
    {{{"step", 20}, {"loss", 0.5}},
     {{"step", 40}, {"loss", nullptr}},
     {{"step", 60}, {"loss", 0.25}},
     {{"step", 60}, {"validation", {{"loss", 0.5}, {"byte_accuracy", 0.5}, {"step_accuracy", 0.25}}}},
     {{"step", 80}, {"validation", {{"loss", nullptr}, {"byte_accuracy", nullptr}, {"step_accuracy", 1}}}}});

// Documents that hold only some of what there can be.
std::map<std::string, ordered_json> partial_documents(Machine& machine) {
  ProgramOptions programs;
  programs.max_instructions = 15;
  const TestSet set = fresh_traces(machine, programs, 20, 1, nullptr);
  CorruptedPredictor right(machine.layout());
  CopyPredictor copy(machine.layout());
  ExhaustiveOptions options;
  options.forms = {"INC", "ADD R R"};
  std::map<std::string, ordered_json> documents;
  const auto add = [&](const char* name, const char* mode) -> ordered_json& {
    const auto modes =
        modes_of(std::string_view(name) == "no errors" ? static_cast<Predictor&>(right) : copy, set, machine);
    return documents[name] = document_of(machine, {{mode, modes.at(mode)}});
  };
  add("no rollouts", "step");
  add("rollouts and a training", "rollout")["training"] = a_training;
  add("no errors", "rollout");
  documents["exhaustive alone"] =
      document_of(machine, {{"exhaustive", to_json(evaluate_exhaustive(copy, machine, options))}});
  auto& forms = documents["exhaustive alone"]["modes"]["exhaustive"]["forms"];
  forms.at(0).erase("examples");  // as in figures that are kept short
  documents["predicted files with faults"] = add("no baselines", "rollout");
  documents["no baselines"].at("modes").at("rollout").erase("baselines");
  documents["predicted files with faults"]["files"] = {
      {"without_file", 2}, {"problems", {{{"file", std::string(32, 'a') + ".bin"}, {"problem", "is cut"}}}}};
  documents["nothing"] = ordered_json::object();
  return documents;
}

TEST_F(Page, IsWholeWhateverTheDocumentLeavesOut) {
  for (const auto& [name, document] : partial_documents(*machine)) {
    SCOPED_TRACE(name);
    const std::string page = page_in_browser(render_report(document));
    if (page.empty()) GTEST_SKIP() << "there is no chromium here to open the page with";
    expect_whole(page);
    EXPECT_NE(page.find("<h1>" + title(document) + "</h1>"), page.npos);
    EXPECT_NE(page.find("<title>" + title(document) + "</title>"), page.npos);
  }
}

void without_numbers(ordered_json& json) {
  if (json.is_number()) json = nullptr;
  if (json.is_structured()) {
    for (auto& part : json) without_numbers(part);
  }
}

TEST_F(Page, IsWholeThoughNoFigureIsANumber) {
  auto document = partial_documents(*machine).at("rollouts and a training");
  without_numbers(document.at("modes"));
  without_numbers(document.at("training"));
  // Without its title, which is made of the figures.
  document.at("data").erase("layout");
  document["data"]["layout"] = {{"fields", to_json(machine->layout()).at("fields")}};
  const std::string page = page_in_browser(render_report(document));
  if (page.empty()) GTEST_SKIP() << "there is no chromium here to open the page with";
  expect_whole(page);
}

struct NativePage : testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Machines, NativePage, testing::Values("x86_64", "arm64"));

TEST_P(NativePage, ShowsSamplesByOperationAndForm) {
  const auto machine = make_machine(GetParam(), 512);
  CorruptedPredictor corrupted(machine->layout());
  const std::string worst(machine->operations().front());
  corrupted.corrupt_step = [&](StepPrediction& p, const Trace& t) {
    if (machine->describe(t.record(1)).name == worst)
      p.steps[static_cast<size_t>(2 * t.record_bytes) - 1] ^= 1;
  };
  ExhaustiveOptions options;
  options.most_cases = 5;
  const auto json = to_json(evaluate_exhaustive(corrupted, *machine, options));
  const std::string page = page_in_browser(render_report(document_of(*machine, {{"exhaustive", json}})));
  if (page.empty()) GTEST_SKIP() << "there is no chromium here to open the page with";
  expect_whole(page);
  for (const auto& text : {fmt::format("By operation: 1 of {} have errors", machine->operations().size()),
                           fmt::format(">{}</td>", worst), std::string("samples of its operands")}) {
    EXPECT_NE(page.find(text), page.npos) << "not in the page: " << text;
  }
  for (const auto& form : json.at("forms")) {
    const auto name = fmt::format(">{}</td>", form.at("form").get<std::string>());
    EXPECT_NE(page.find(name), page.npos) << "not in the page: " << name;
  }
}

TEST_P(NativePage, ShowsRegistersFlagsWritesAndBreakdowns) {
  const auto machine = make_machine(GetParam(), 512);
  const auto& layout = machine->layout();
  const bool x86 = layout.machine == "x86_64";
  const auto& flags = test::field(layout, x86 ? "FLAGS" : "NZCV");
  ProgramOptions programs;
  programs.max_instructions = 15;
  const TestSet set = fresh_traces(*machine, programs, 40, 1, nullptr);
  CorruptedPredictor corrupted(layout);
  corrupted.corrupt_rollout = [&](Rollout& p, const Trace&) {
    if (p.steps.size() < 3u * layout.record_bytes) return;
    uint8_t* record = p.steps.data() + 2 * layout.record_bytes;
    record[test::field(layout, "PC").offset] ^= 1;
    record[flags.offset] ^= 4;  // PF, Z
    record[test::field(layout, x86 ? "EAX" : "W0").offset] ^= 1;
    record[test::field(layout, "WRITE_VALUE").offset] ^= 1;
  };
  const auto modes = modes_of(corrupted, set, *machine);
  const std::string page = page_in_browser(render_report(document_of(*machine, modes)));
  if (page.empty()) GTEST_SKIP() << "there is no chromium here to open the page with";
  expect_whole(page);
  const std::string text = text_of(page);
  const auto expect_shown = [&](const std::string& wanted) {
    EXPECT_NE(text.find(wanted), text.npos) << "not in the page: " << wanted;
  };

  const auto& rollout = modes.at("rollout");
  EXPECT_GT(rollout.at("branches").at("wrong"), 0);
  EXPECT_GT(rollout.at("writes").at("wrong"), 0);
  for (const auto& [name, what] : {std::pair("branches", "branches"), {"memory writes", "writes"}}) {
    const auto& rate = rollout.at(what);
    expect_shown(fmt::format("|{}|{}|", name, accuracy_text({rate.at("right"), rate.at("total")})));
  }
  for (const char* list : {"by_group", "by_operation", "by_form"}) {
    for (const auto& row : rollout.at(list)) expect_shown(wrong_of(row));
  }

  // The first wrong state of the first trace is shown in full.
  const auto& rows = rollout.at("examples").at(0).at("rows");
  size_t i = 1;
  while (rows.at(i).at("truth") == rows.at(i).at("predicted")) ++i;
  const auto number = [&](const ordered_json& hex, const Field& field) {
    uint64_t value = 0;
    for (int b = field.bytes - 1; b >= 0; --b)
      value =
          value << 8 | std::stoul(hex.get<std::string>().substr(2 * static_cast<size_t>(field.offset + b), 2),
                                  nullptr, 16);
    return value;
  };
  const auto line = [&](const std::string& name, auto show) {
    return fmt::format("|{}|{}|{}|{}|", name, show(rows.at(i - 1).at("truth")), show(rows.at(i).at("truth")),
                       show(rows.at(i).at("predicted")));
  };
  for (const Field& field : layout.fields) {
    if (field.bytes > 8 || !field.bits.empty()) continue;
    expect_shown(line(field.name, [&](const ordered_json& hex) {
      const uint64_t value = number(hex, field);
      return field.bytes == 1 ? fmt::format("{}", value) : fmt::format("0x{:0{}x}", value, 2 * field.bytes);
    }));
  }
  for (size_t bit = 0; bit < flags.bits.size(); ++bit) {
    if (flags.bits[bit].empty()) continue;
    expect_shown(
        line(flags.bits[bit], [&](const ordered_json& hex) { return number(hex, flags) >> bit & 1; }));
  }
  const auto program = rollout.at("examples").at(0).at("program").get<std::string>();
  std::istringstream lines(program);
  std::string fetched;
  for (int n = 0; n <= rows.at(i).at("line"); ++n) std::getline(lines, fetched);
  EXPECT_TRUE(fetched.ends_with(rows.at(i).at("instruction").get<std::string>())) << fetched;
  expect_shown("|" + fetched + "|");
}

TEST_F(Page, ShowsFilesAsWhatTheyAre) {
  const ordered_json rate = {
      {"right", 1}, {"total", 4}, {"wrong", 3}, {"accuracy", 0.25}, {"interval", {0.1, 0.5}}};
  const auto example = [](const char* name, const char* truth, const char* predicted) {
    return ordered_json{
        {"name", name}, {"context", "610a"}, {"truth", truth}, {"predicted", predicted}, {"ended", false}};
  };
  // A MIDI file of one track, whose length is not told right, with these events.
  const auto midi = [](const std::string& events) {
    return "4d54686400000006000000010060"
           "4d54726b00000001"
           "00ff510307a120" +
           events;
  };
  const ordered_json document = {
      {"format", "bytecpu-evaluation"},
      {"predictor", {{"name", "bgpt"}, {"details", {{"checkpoint", "run"}}}}},
      {"data", {{"source", "data"}, {"split", "test"}, {"documents", 4}}},
      {"modes", ordered_json::object()},
      {"kinds",
       {{{"kind", "a to b"},
         {"documents", 4},
         {"bytes", 1234},
         {"bits_per_byte", 2.3456},
         {"interval", {2.25, 2.5}},
         {"compressors", {{"xz", 3.25}, {"zstd", 3.5}}},
         {"equal", rate},
         {"ended", rate},
         {"examples",
          {example("text.txt", "61623c64", "61783c64"), example("picture.bmp", "424d00", "424d01"),
           example("sound.wav", "5249464600", "52494646ff"), example("bytes.bin", "00ff", "00fe"),
           example("tune.mid", midi("00903c5060803c400090405030804040").c_str(),
                   // A third note, and it breaks off within an event; its status is told once.
                   midi("00903c50603c000040503040000043500143000045").c_str())}}}}}};
  const std::string page = page_in_browser(render_report(document));
  if (page.empty()) GTEST_SKIP() << "there is no chromium here to open the page with";
  expect_whole(page);
  const std::string text = text_of(page);
  for (const char* wanted :
       {"a to b 2.346 bits a byte", "|a to b|4|1,234|2.346|2.250 … 2.500|3.250|3.500|",
        "1 of 4 files equal to the last byte", "text.txt: differs from byte 1 of 4, was cut", "|a|x|&lt;d|",
        "|00 |fe |", "|2 notes|", "|3 notes, 2 of them right|", "data, 4 test documents"}) {
    EXPECT_NE(text.find(wanted), text.npos) << "not in the page: " << wanted << '\n' << text;
  }
  const auto count = [&](std::string_view what) {
    int found = 0;
    for (size_t at = page.find(what); at < page.find("<script"); at = page.find(what, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("<img src=\"blob:"), 2);
  EXPECT_EQ(count("<audio src=\"blob:"), 2);
  EXPECT_EQ(count("<rect"), 5);
  EXPECT_EQ(count("class=\"wrong\""), 1);
}

}  // namespace
}  // namespace bytecpu
