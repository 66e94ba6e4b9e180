// What the figures depend on: predicted files that have faults, command lines, the predictor's, the data's and the
// training's settings.

function predictedFiles(doc) {
  const {problems, without_file} = doc.files ?? {problems: []};
  if (!problems.length && !without_file) return null;
  return section("Predicted files",
    el("p", {}, `${count(problems.length)} with a fault, ${counted(without_file, "trace")} without a file.`),
    problems.length ? table(["file", "fault"], problems.map(({file, problem}) =>
      cells([el("td", {class: "mono"}, file), problem])), {class: "texts"}) : null);
}

function configuration(doc) {
  const command = text => text ? el("pre", {class: "command"}, text) : null;
  const part = (title, ...contents) => [el("h3", {}, title), ...contents];
  return section("Configuration",
    doc.command ? part("Command", command(doc.command)) : null,
    doc.predictor ? part("Predictor", describe(doc.predictor, ["layout"])) : null,
    doc.data ? part("Data", describe(doc.data)) : null,
    doc.run ? part("Training", command(doc.run.command), describe(doc.run, ["layout", "command"])) : null);
}
