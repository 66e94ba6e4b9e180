// How the model learned: loss and validation over the training, from the run's metrics.

// The mean loss of each of at most 400 parts.
function smoothed(lines) {
  const size = Math.max(1, Math.ceil(lines.length / 400)), points = [];
  for (let i = 0; i < lines.length; i += size) {
    const part = lines.slice(i, i + size);
    points.push([part.at(-1).step, sum(part.map(line => line.loss)) / part.length]);
  }
  return points;
}

function validationErrors(checks, key) {
  return checks.filter(({validation}) => isNumber(validation[key]) && validation[key] < 1).map(({step, validation}) =>
    [step, 1 - validation[key], `step ${count(step)}: ${percent(validation[key])}`]);
}

// unit: "byte" or "label"; of machines states too.
function validationFigure(checks, unit, ofFiles) {
  if (!checks.length) return null;
  const series = [{points: validationErrors(checks, "byte_accuracy"), colour: "var(--c0)"}];
  if (!ofFiles) series.push({points: validationErrors(checks, "step_accuracy"), colour: "var(--c1)", square: true});
  if (series.every(s => !s.points.length)) return soft("No validation found an error.");
  return figure(width => lineChart({width, xLabel: "training step", series}),
    `Validation errors, teacher-forced: ${ofFiles ? `${unit}s` : "bytes (●) and states (■)"}. Points without an error are not shown.`);
}

function learning(doc) {
  const lines = doc.training ?? [], trained = lines.filter(line => line.loss > 0);
  const checks = lines.filter(line => line.validation);
  if (trained.length + checks.length < 2) return null;
  const series = [{points: smoothed(trained), colour: "var(--c0)", soft: true},
    {points: checks.map(line => [line.step, line.validation.loss]), colour: "var(--c1)"}];
  const unit = doc.kinds && !doc.kinds.length ? "label" : "byte";
  const loss = figure(width => lineChart({width, xLabel: "training step", dots: false, yText: powerText, series}),
    checks.length ? `Loss in nats a ${unit}: training (pale) and validation.` : `Training loss in nats a ${unit}.`);
  return section("Learning", el("div", {class: "pair"}, loss, validationFigure(checks, unit, Boolean(doc.kinds))));
}
