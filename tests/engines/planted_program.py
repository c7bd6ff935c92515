"""Programs that say something else than they should, for tests: ``planted_program.py MODE``.

Nothing but Python's own library is imported. The right answer is that of ten rows in five groups,
``harness.diagnose.installation.smoke_case``; a fit of any other table is refused.
"""

import json
import os
import sys
import time

mode, *rest = sys.argv[1:]


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def right(request):
    y = request["table"]["columns"][0]["values"]
    if len(y) != 10:
        return {"type": "failed", "id": request["id"], "reason": "refused", "text": "ten rows"}
    means = [(y[2 * i] + y[2 * i + 1]) / 2 for i in range(5)]
    grand = sum(means) / 5
    between = 2 * sum((m - grand) ** 2 for m in means) / 4
    within = sum((v - means[i // 2]) ** 2 for i, v in enumerate(y)) / 5
    (term,) = request["model"]["random"]
    return {
        "type": "fitted",
        "id": request["id"],
        "n_obs": 10,
        "coefficients": [{"name": "Intercept", "estimate": grand, "se": (between / 10) ** 0.5}],
        "random": [
            {
                "group": term["group"],
                "names": ["Intercept"],
                "covariance": [[(between - within) / 2]],
            }
        ],
        "residual_variance": within,
    }


def once():
    """Whether this is the first fit of all starts; the file says so."""
    path = rest[0]
    if os.path.exists(path):
        return False
    open(path, "w").close()
    return True


if mode == "dies-at-start":
    sys.exit("libfoo.so.3: cannot open shared object file")
if mode == "silent-at-start":
    time.sleep(60)

for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "start":
        version = 99 if mode == "version-99" else 1
        started = {"type": "started", "protocol": version, "name": "planted"}
        started["versions"] = {"planted": "1.2", "numpy": "0.1"}
        if mode == "unknown-definition":
            started["definitions"] = {"se": "guessed"}
        if mode == "build":
            started["build"] = rest[0]
        say({"type": "hello"} if mode == "says-hello" else started)
        continue
    if message["type"] == "stop":
        break
    if message["type"] != "fit":
        say({"type": "failed", "id": message["id"], "reason": "unsupported", "text": "what?"})
        continue
    answer = right(message)
    if mode == "garbage" and once():
        print("Loading required package: Matrix", flush=True)
    if mode == "hangs" and once():
        time.sleep(60)
    if mode == "stubborn" and once():
        import signal

        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    if mode == "dies" and once():
        sys.stderr.write("Fatal: out of luck\n")
        sys.stderr.flush()
        os._exit(7)
    if mode == "killed" and once():
        os.kill(os.getpid(), 9)
    if mode == "eats" and once():
        bytearray(2**30)
    if mode == "busy":
        with open(rest[0], "w") as file:
            file.write(str(os.getpid()))
        while True:
            pass
    if mode == "floods-stderr":
        sys.stderr.write("warning: " + "x" * 5_000_000)
        sys.stderr.flush()
    if mode == "other-case" and once():
        answer["id"] += 1
    if mode == "started-again" and once():
        answer = {"type": "started", "protocol": 1, "name": "planted", "versions": {}}
    if mode == "half-a-line" and once():
        sys.stdout.write('{"type": "fitted", "id"')
        sys.stdout.flush()
        os._exit(0)
    if mode == "nan":
        answer["loglik"] = "nan"
        answer["coefficients"][0]["se"] = "inf"
    if mode == "json-nan" and once():
        answer["loglik"] = float("nan")
    if mode == "text-for-number" and once():
        answer["residual_variance"] = "about one"
    if mode == "unknown-column":
        answer["coefficients"][0]["name"] = "(Intercept)"
    if mode == "twice-a-column":
        answer["coefficients"] *= 2
    if mode == "wrong-shape":
        answer["random"][0]["covariance"] = [[1.0, 0.0]]
    if mode == "short-fitted":
        answer["fitted"] = [1.0]
    if mode == "other-data":
        answer["data_checksum"] = "0" * 32
    if mode == "own-columns":
        answer["coefficients"][0]["name"] = "(Intercept)"
        answer["x"] = [[1.0] * 10]
    if mode == "extra-term":
        answer["random"].append({"group": "v9", "names": ["Intercept"], "covariance": [[0.5]]})
    say(answer)
    if mode == "answers-twice":
        say(answer)
    if mode == "ends-after-each":
        break
