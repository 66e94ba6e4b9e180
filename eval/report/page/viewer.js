// Steps through the traces with the most wrong bytes: the program beside its states, the predicted value where it is
// wrong with the true one struck out. Records too wide for a table's row show what changed, and below in full the state
// that is stepped to.

const widestRow = 120;              // characters of a record's fields
const instructionField = "INSN";    // changes with every state, and stands beside it as text

const widthOf = fields => sum(fields.map(field => Math.max(field.name.length, 2 * field.bytes + 2) + 2));
const isWrong = row => row.step > 0 && row.truth !== row.predicted;
const endText = {right: "right", early: "predicted too early", late: "predicted too late or never"};

// A field's predicted value; where it is wrong the true one is struck out beside it.
function valueElement(tag, label, truth, predicted) {
  if (truth === predicted) return el(tag, {}, label + truth);
  return el(tag, {class: "wrong", title: `predicted ${predicted ?? "nothing"}, true ${truth ?? "nothing"}`},
    label, predicted ?? missing, truth === undefined ? "" : el("s", {}, truth));
}

// Lines of a program, numbered; some have offsets of their own.
function programLines(program) {
  const hasOffset = line => /^[0-9a-f]{4}  /.test(line);
  return program.replace(/\n$/, "").split("\n").map((line, i) => hasOffset(line) ? line : `${String(i).padStart(3)}  ${line}`);
}

class TraceViewer {
  constructor(fields, examples) {
    this.fields = fields;
    this.examples = examples;
    this.isWide = widthOf(fields) > widestRow;
    this.about = el("p");
    this.program = el("pre");
    this.states = el("div", {class: "states", tabindex: 0});
    this.record = el("div", {class: "record"});
    this.select = el("select", {"aria-label": "trace", onchange: () => this.show(Number(this.select.value))},
      examples.map((x, i) => el("option", {value: i},
        `${x.mode.name}: trace ${count(x.trace)}, ${counted(x.wrong_bytes, "wrong byte")}`)));
    document.addEventListener("keydown", event => this.onKey(event));
    this.show(0);
  }

  get elements() {
    const bar = el("div", {class: "bar"}, this.select,
      el("button", {onclick: () => this.step(this.at - 1)}, "‹ back"),
      el("button", {onclick: () => this.step(this.at + 1)}, "step ›"),
      el("button", {onclick: () => this.nextWrong()}, "next wrong »"));
    return [bar, this.about, this.isWide
      ? el("div", {class: "viewer wide"}, this.states, this.program, this.record)
      : el("div", {class: "viewer"}, this.program, this.states)];
  }

  // Shows a trace, at its first wrong state.
  show(index) {
    if (index < 0 || index >= this.examples.length) return;
    this.index = index;
    this.select.value = index;
    this.example = this.examples[index];
    this.lines = programLines(this.example.program);
    this.texts = this.example.rows.map(row =>
      ({truth: fieldTexts(this.fields, row.truth), predicted: fieldTexts(this.fields, row.predicted)}));
    this.about.replaceChildren(this.aboutText());
    this.rows = this.example.rows.map((row, i) => this.stateRow(row, i));
    const names = this.isWide ? ["changed, or wrong"] : this.fields.map(field => field.name);
    this.states.replaceChildren(table(["state", "instruction", ...names], this.rows));
    this.step(Math.max(0, this.example.rows.findIndex(isWrong)), false);
  }

  aboutText() {
    const {first_error, states, end, rows} = this.example;
    const part = rows.length && rows[0].step > 0
      ? ` Shown from state ${count(rows[0].step)} to ${count(rows.at(-1).step)}.` : "";
    return `First error at state ${count(first_error)} of ${count(states)}; the end is ${endText[end]}.${part}`;
  }

  stateRow(row, i) {
    const instruction = row.step === 0 ? "(start)" : row.instruction || "(surplus)";
    return cells([count(row.step), instruction, ...(this.isWide ? [this.changesCell(i)] : this.valueCells(i))],
      {onclick: () => this.step(i)});
  }

  valueCells(i) {
    const {truth, predicted} = this.texts[i];
    return this.fields.map((_, k) => valueElement("td", "", truth?.[k], predicted?.[k]));
  }

  changesCell(i) {
    const {truth, predicted} = this.texts[i], before = i > 0 ? this.texts[i - 1].truth : null;
    if (!truth) return el("td", {class: "wrong"}, "predicted after the end");
    if (!predicted) return el("td", {class: "wrong"}, "nothing predicted");
    const isShown = (field, k) => truth[k] !== predicted[k] ||
      (before && before[k] !== truth[k] && field.name !== instructionField);
    return el("td", {}, this.fields.flatMap((field, k) =>
      isShown(field, k) ? [valueElement("span", field.name + " ", truth[k], predicted[k]), " "] : []));
  }

  // Goes to a row of the trace that is shown.
  step(i, scroll = true) {
    if (i < 0 || i >= this.rows.length) return;
    this.at = i;
    this.rows.forEach((row, k) => row.classList.toggle("now", k === i));
    if (scroll) this.states.scrollTop = Math.max(0, this.rows[i].offsetTop - this.states.clientHeight / 2);
    if (this.isWide) this.record.replaceChildren(...recordTables(this.fields, this.hexesAt(i)));
    this.showLine(this.example.rows[i].line);
  }

  // The true record before, the true and the predicted one; null where there is none.
  hexesAt(i) {
    const rows = this.example.rows;
    return [i > 0 ? rows[i - 1].truth : null, rows[i].truth, rows[i].predicted];
  }

  showLine(number) {
    this.program.replaceChildren(...this.lines.flatMap((line, k) => [k === number ? el("b", {class: "now"}, line) : line, "\n"]));
    const mark = this.program.querySelector("b");
    if (mark) this.program.scrollTop = Math.max(0, mark.offsetTop - this.program.offsetTop - this.program.clientHeight / 2);
  }

  nextWrong() {
    this.step(this.example.rows.findIndex((row, k) => k > this.at && isWrong(row)));
  }

  // Left and right anywhere on the page, up and down (which scroll it) only in the table.
  onKey(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || /^(SELECT|INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
    const inside = this.states.contains(event.target);
    const by = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: inside ? 1 : 0, ArrowUp: inside ? -1 : 0}[event.key];
    if (by && event.shiftKey) this.show(this.index + by);
    else if (by) this.step(this.at + by);
    else if (event.key.toLowerCase() === "n") this.nextWrong();
    else return;
    event.preventDefault();
  }
}

// ---- A record in full ----

function recordLine(name, [before, truth, predicted], isBit) {
  const changed = isShown(before) && before !== truth;
  return el("tr", isBit ? {class: "bit"} : {}, el("td", {}, name), el("td", {class: "soft"}, before ?? ""),
    el("td", {class: changed ? "changed" : ""}, truth ?? missing),
    el("td", {class: predicted === truth ? "" : "wrong"}, predicted ?? missing));
}

// A field's line, and below that of flags a line a bit. hexes: the record before, the true and the predicted one.
function recordLines(field, hexes) {
  const line = recordLine(field.name, hexes.map(hex => hex && fieldText(field, hex)), false);
  if (!field.bits) return [line];
  const bits = hexes.map(hex => hex && new Map(bitsOf(field, hex)));
  const names = [...new Set(bits.flatMap(b => b ? [...b.keys()] : []))];
  return [line, ...names.map(name => recordLine(name, bits.map(b => b && String(b.get(name) ?? 0)), true))];
}

// The record's fields in their order, in two tables of about the same length.
function recordTables(fields, hexes) {
  const lines = fields.map(field => recordLines(field, hexes)), half = lines.flat().length / 2;
  const columns = [[], []];
  for (const own of lines) columns[columns[0].length < half ? 0 : 1].push(...own);
  return columns.map(column => el("div", {}, table(["field", "before", "true", "predicted"], column)));
}

function worstTraces(doc) {
  const examples = modesByWeight(doc).flatMap(mode => (mode.scores.examples ?? []).map(x => ({...x, mode})));
  if (!examples.length) return null;
  const key = name => el("kbd", {}, name);
  return section("The worst traces", el("p", {},
    "A wrong value is shown as predicted, the true one struck out beside it. Step with the buttons, a click on a row, or the keys: ",
    key("←"), " ", key("→"), " a state, ", key("n"), " the next wrong one, ", key("shift"), " with an arrow another trace."),
    new TraceViewer(doc.data.layout.fields, examples).elements);
}
