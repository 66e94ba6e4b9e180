// Where the errors are: by instruction, by field, along the trace, by the model's own confidence.

const hollowCaption = "Filled: the error rate with its 95 % interval. Hollow: no error seen, the mark at the interval's upper bound.";
const mostNamesInChart = 60;

// The rows of a breakdown with the rate of each mode: [{name, rates: {mode: rate}}].
function rowsByName(modes, list, key) {
  const rows = new Map();
  for (const mode of modes) {
    for (const rate of mode.scores[list] ?? []) {
      if (!rows.has(rate[key])) rows.set(rate[key], {name: rate[key], rates: {}});
      rows.get(rate[key]).rates[mode.key] = rate;
    }
  }
  return [...rows.values()];
}

// The highest error rates first; of those without an error the ones that exclude the least.
function worstFirst(rows) {
  const highest = (row, of) => Math.max(...Object.values(row.rates).map(of));
  const worst = row => highest(row, rate => rate.wrong ? errorOf(rate) : 0);
  return rows.sort((a, b) => worst(b) - worst(a) || highest(b, mostError) - highest(a, mostError));
}

const errorsBy = (title, text, modes, rows, ...more) => section(`Errors by ${title}`, el("p", {}, text), legend(modes),
  figure(width => errorChart(rows, modes, width), hollowCaption), ...more);

function formsTable(forms, modes) {
  return details(`By form: ${count(forms.length)} of them`,
    soft("Operands: r register, m memory, n number, c another word."),
    table(["form", ...modes.map(mode => mode.name)], forms.map(form => cells([form.name,
      ...modes.map(mode => form.rates[mode.key] ? wrongText(form.rates[mode.key]) : "")]))));
}

function errorsByInstruction(doc) {
  const modes = modesOf(doc);
  if (!modes.length) return null;
  const rows = (list, key) => worstFirst(rowsByName(modes, list, key));
  const forms = rows("by_form", "form"), groups = rows("by_group", "group"), anyWrong = modes.some(m => m.scores.states.wrong);
  const text = "Share of wrong states, by the instruction that leads to the state. " + (anyWrong ? "The worst come first."
    : "None is wrong; those with the fewest samples, which exclude the least, come first.");
  return [
    errorsBy("group of instructions", text, modes, groups),
    forms.length <= mostNamesInChart ? errorsBy("operation and form", text, modes, forms)
      : errorsBy("operation", text, modes, rows("by_operation", "operation"), formsTable(forms, modes))];
}

function errorsByField(doc) {
  const modes = modesOf(doc);
  if (!modes.length) return null;
  return errorsBy("field", "Share of states in which the field is wrong.", modes, rowsByName(modes, "by_field", "field"));
}

// ---- Along the trace ----

// Bins' rates as a series for lineChart, those without an error at their bound; unit: "states", "bytes", "traces".
function binSeries(mode, bins, unit, what) {
  const points = [], hollow = [];
  for (const bin of bins.filter(b => b[unit].total > 0)) {
    const rate = bin[unit], error = rate.wrong ? errorOf(rate) : mostError(rate);
    (rate.wrong ? points : hollow).push([(bin.first + bin.last) / 2, error, `${rangeText(bin, what)}: ${wrongText(rate)}`]);
  }
  const gap = bins.length ? bins[0].last - bins[0].first + 1 : 1;
  return {points, hollow, gap, colour: mode.colour, square: mode.square};
}

function firstErrors(modes, length) {
  const wrong = modes.filter(mode => mode.scores.first_error.length);
  if (!wrong.length) return soft("No trace has an error.");
  const series = wrong.map(mode => ({colour: mode.colour, counts: mode.scores.first_error}));
  const longest = Math.max(length, ...series.map(s => s.counts.length));
  return figure(width => barChart({series, length: longest, width, xLabel: "state", what: "traces"}),
    "Traces by the place of their first error; a wrong end counts at the place after the last state.");
}

function spreadOfErrors(modes) {
  const rollout = modes.find(mode => mode.scores.after_error?.bins.length);
  if (!rollout) return null;
  const bins = rollout.scores.after_error.bins;
  const series = [binSeries(rollout, bins, "states", "distance"),
    {...binSeries(rollout, bins, "bytes", "distance"), soft: true, square: false}];
  return figure(width => lineChart({width, xLabel: "states after the first error", series}),
    "How errors spread in rollouts: share of wrong states (■) and bytes (●) by the distance from the trace's first wrong " +
    "state, which is 0.");
}

function firstErrorsByForm(mode) {
  const forms = mode.scores.by_form.filter(form => form.first_errors);
  if (!forms.length) return null;
  const most = forms.sort((a, b) => b.first_errors - a.first_errors).slice(0, 12);
  return details(`First errors by instruction, ${mode.name}`,
    table(["instruction before", "first errors", "wrong states", "of states"],
      most.map(form => cells([form.form, count(form.first_errors), count(form.wrong), count(form.total)]))));
}

function errorsAlongTrace(doc) {
  const modes = modesOf(doc);
  if (!modes.length) return null;
  const length = Math.max(...modes.map(mode => mode.scores.by_step.states.length));
  const steps = modes.map(mode => binSeries(mode, mode.scores.by_step.bins, "states", "state"));
  const lengths = modes.map(mode => binSeries(mode, mode.scores.by_length, "states", "length"));
  return section("Errors along the trace", legend(modes), el("div", {class: "pair"},
    figure(width => lineChart({width, xLabel: "state", series: steps}),
      `Share of wrong states by their place in the trace, 1 … ${count(length)}. Hollow: none wrong, drawn at the 95 % bound.`),
    figure(width => lineChart({width, xLabel: "states of the program", series: lengths}),
      "Share of wrong states by the length of the program. Hollow: as before."),
    firstErrors(modes, length), spreadOfErrors(modes)), modes.map(firstErrorsByForm));
}

// ---- Confidence ----

const confidenceText = p => p > 0.99 && p < 1 ? `1 − ${short(1 - p)}` : short(p);

function confidenceOf(mode) {
  const {mean_right, mean_wrong, calibration_error, bins} = mode.scores.confidence;
  const rows = bins.map(bin => cells([`${bin.from} … ${bin.to}`, count(bin.right), count(bin.wrong),
    ...(bin.total > 0 ? [accuracyText(bin), intervalText(bin), confidenceText(bin.mean_confidence)] : ["", "", ""])]));
  return [
    el("h3", {}, mode.name[0].toUpperCase() + mode.name.slice(1)),
    soft(`Mean confidence of right states ${confidenceText(mean_right)}, of wrong ones ${confidenceText(mean_wrong)}; ` +
      `mean distance between confidence and accuracy ${short(calibration_error)}.`),
    table(["probability", "right", "wrong", "accuracy", "95 % interval", "mean confidence"], rows)];
}

function confidence(doc) {
  const modes = modesOf(doc).filter(mode => mode.scores.confidence);
  if (!modes.length) return null;
  return section("Confidence", el("p", {}, "Probability that the model gave to the state it predicted, of right and of wrong " +
    "states. A calibrated model is right as often as its mean confidence says."), modes.map(confidenceOf));
}
