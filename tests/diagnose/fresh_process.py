"""Shown code run as a reader runs it: in a process of its own, on the table as a file."""

import json
import shutil
import subprocess
import sys

PYTHON = """
import json, sys, warnings
import pandas as pd
warnings.simplefilter("ignore")
for path, code in json.load(open(sys.argv[1])):
    names = {"data": pd.read_csv(path)}
    head, _, last = code.rpartition("\\n")
    exec(head, names)
    result = eval(last, names)
    print(json.dumps([float(result.llf), {k: float(v) for k, v in result.fe_params.items()}]))
"""

R = """
read <- function(path) read.csv(path, check.names = FALSE, stringsAsFactors = FALSE)
for (line in seq_along(paths)) {
  fit <- suppressWarnings(suppressMessages(
    eval(parse(text = codes[line]), list2env(list(data = read(paths[line])), parent = globalenv()))
  ))
  cat(format(as.numeric(logLik(fit)), digits = 15), "")
  b <- lme4::fixef(fit)
  cat(paste0(names(b), "=", format(b, digits = 15, trim = TRUE), collapse = "|"), "\\n")
}
"""


def python_answers(pairs, folder):
    """Log-likelihood and fixed effects of each (table, code), all in one new Python."""
    listed = folder / "code.json"
    listed.write_text(json.dumps([[str(path), code] for path, code in pairs]))
    out = subprocess.run(
        [sys.executable, "-c", PYTHON, str(listed)], capture_output=True, text=True, check=True
    ).stdout
    return [tuple(json.loads(line)) for line in out.splitlines()]


def r_answers(pairs, folder):
    """The same in one new R that knows nothing but the code."""

    def vector(texts):
        return f"c({', '.join(json.dumps(text) for text in texts)})"

    script = folder / "code.R"
    paths, codes = vector(str(p) for p, _ in pairs), vector(code for _, code in pairs)
    script.write_text(f"paths <- {paths}\ncodes <- {codes}\n{R}")
    out = subprocess.run(
        [shutil.which("Rscript"), "--vanilla", str(script)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    answers = []
    for line in out.splitlines():
        loglik, _, rest = line.strip().partition(" ")
        effects = dict(pair.rsplit("=", 1) for pair in rest.split("|"))
        answers.append((float(loglik), {k: float(v) for k, v in effects.items()}))
    return answers
