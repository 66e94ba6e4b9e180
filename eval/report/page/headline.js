// The first screen, below the title: the results in a sentence each, what was evaluated, and the headline rates.

// The modes of evaluation that score traces, those that the document has: {key, name, colour, square, scores}.
const modeKinds = [
  {key: "step", name: "teacher-forced", colour: "var(--c0)", square: false,
    title: "Teacher-forced: every state from the true history"},
  {key: "rollout", name: "rollout", colour: "var(--c1)", square: true,
    title: "Rollout: every state from the predicted ones, from state 0 to the end"}];
function modesOf(doc) {
  return modeKinds.map(kind => ({...kind, scores: doc.modes?.[kind.key]})).filter(mode => mode.scores);
}
// Rollouts first: what is claimed is claimed for them.
const modesByWeight = doc => modesOf(doc).toReversed();

// ---- Results in a sentence ----

const withInterval = rate => rate?.total > 0 ? ` (95 % interval ${intervalText(rate).replaceAll(" ", "\u00a0")})` : "";

function leadSentences(doc) {
  const {step, rollout, exhaustive} = doc.modes ?? {};
  return [
    rollout && ["Running free, ", `${count(rollout.traces.right)} of ${counted(rollout.traces.total, "trace")}`,
      ` right from state 0 to the end${withInterval(rollout.traces)}.`],
    step && ["Each state from the true ones before it, ", `${count(step.states.right)} of ${counted(step.states.total, "state")}`,
      ` right${withInterval(step.states)}.`],
    exhaustive && ["Instruction by instruction, ", `${count(exhaustive.results.wrong)} of ${count(exhaustive.results.total)} cases`,
      ` wrong, rate ${errorText(exhaustive.results)}.`]].filter(Boolean);
}

const lead = doc => leadSentences(doc).map(([start, result, end]) =>
  el("p", {class: "lead"}, start, el("b", {}, result), end));

// ---- What was evaluated ----

function predictorText(doc) {
  const {name, details = {}} = doc.predictor ?? {};
  if (doc.files) return `files made by another program, in ${name}`;
  if (!details.checkpoint) return name && `${name}, a baseline`;
  const facts = [`${name} model`, details.parameters && `${count(details.parameters)} parameters`,
    details.step && `after ${count(details.step)} training steps`,
    details.precision && `${details.precision} on ${details.device}`, details.checkpoint];
  return facts.filter(Boolean).join(", ");
}

function subjectText({source, split, traces, states, documents, min_instructions, max_instructions, generator, seed}) {
  const least = min_instructions ?? generator?.min_instructions, most = max_instructions ?? generator?.max_instructions;
  const facts = [source, isNumber(documents) && `${count(documents)} ${split} documents`, isNumber(traces) && `${count(traces)} ${split} traces with ${counted(states, "state")}`,
    most && `programs of ${least} to ${most} instructions`, isNumber(seed) && `seed ${seed}`];
  return facts.filter(Boolean).join(", ");
}

function facts(doc) {
  const data = doc.data ?? {}, layout = data.layout;
  const machine = layout?.machine &&
    `${layout.machine}, ${count(layout.memory_bytes)} bytes of memory, ${layout.record_bytes} bytes a state`;
  const made = [doc.time?.replace("T", " ").replace("Z", " UTC"), doc.bytecpu && `bytecpu ${doc.bytecpu}`];
  const rows = [["predictor", predictorText(doc)], ["evaluated on", subjectText(data)], ["machine", machine],
    ["made", made.filter(Boolean).join(", ")]];
  return el("dl", {class: "facts"},
    rows.filter(([, text]) => text).map(([name, text]) => [el("dt", {}, name), el("dd", {}, text)]));
}

function overlapWarning(doc) {
  const traces = doc.data?.test_programs_in_train;
  if (!traces) return null;
  return el("p", {class: "warning"}, `${counted(traces, "test trace")} have a program that the train split has, too.`);
}

const firstScreen = doc => [lead(doc), overlapWarning(doc), facts(doc)];

// ---- The headline rates ----

const headlineRates = [["bytes", "bytes"], ["– changed", "changed"], ["– unchanged", "unchanged"], ["states", "states"],
  ["traces", "traces"], ["ends", "ends"], ["branches", "branches"], ["memory writes", "writes"]];

function baselineCell(name, rate) {
  const title = rate?.total > 0 ? `${wrongText(rate)}; interval ${intervalText(rate)}` : "";
  return el("td", {class: "soft", "data-name": name, title}, accuracyText(rate));
}

function headlineTable(scores) {
  const baselines = Object.entries(scores.baselines ?? {});
  const rows = headlineRates.filter(([, key]) => scores[key]?.total > 0).map(([name, key]) => cells([
    name, el("td", {class: "big"}, accuracyText(scores[key])), intervalText(scores[key]), wrongText(scores[key]),
    ...baselines.map(([baseline, rates]) => baselineCell(baseline, rates[key]))]));
  return table(["", "accuracy", "95 % interval", "errors", ...baselines.map(([name]) => name)], rows, {class: "headline"});
}

function headlineNotes(scores) {
  const notes = [];
  if (isNumber(scores.bits_per_byte)) notes.push(`${short(scores.bits_per_byte)} bits per byte`);
  if (scores.early_ends || scores.late_ends)
    notes.push(`${counted(scores.early_ends, "trace")} ended early, ${count(scores.late_ends)} late or never`);
  if (scores.missing_states || scores.surplus_states)
    notes.push(`${counted(scores.missing_states, "state")} missing, ${count(scores.surplus_states)} surplus`);
  if (scores.seconds > 0) notes.push(`${count(Math.round(scores.states.total / scores.seconds))} states/s`);
  return soft(notes.join(" · "));
}

const whatIsCounted = `Counted from state 1 on. A missing or surplus state is wrong with all its bytes; a trace is right if \
all its states are, and its end. Changed bytes differ from the true state before; surplus states are neither. Intervals are \
Clopper-Pearson's; they take what they count as independent, which only traces are. Beside the predictor: copy, which says \
that nothing changes and never ends, and oracle, which is the machine itself.`;
const whatBranchesAre = ` Branches: PC right in the state after one. Memory writes: offset, size and value of a write right, \
where there is one or one is predicted.`;

function headline(doc) {
  const modes = modesByWeight(doc);
  if (!modes.length) return null;
  const hasBranches = modes.some(({scores}) => scores.branches?.total > 0 || scores.writes?.total > 0);
  return [
    modes.map(({title, scores}) => [el("h3", {}, title), headlineTable(scores), headlineNotes(scores)]),
    soft(whatIsCounted, hasBranches ? whatBranchesAre : null)];
}
