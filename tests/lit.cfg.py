# Golden tests. A test file's first lines say how it is run:
#
#   # RUN: cd %S && %sgc name.sg --emit=ir | %golden name.sg.expected
#   # RUN: %transcript %s %t.dir | %golden %s.expected
#
# %transcript FILE FOLDER carries out the commands of FILE (tools/transcript.py);
# %golden FILE compares standard input with FILE and shows the difference;
# with `--param bless=1` it rewrites FILE instead.
import os
import sys
import lit.formats

config.name = "scalegraph"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".sg", ".sgir", ".test"]
config.excludes = ["Inputs", "unit", "bench", "exhaustive", "tools",
                   "fuzz", "mlp.sg"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.sg_build, "tests")

# The interpreter itself rather than a wrapper that some systems put before it.
config.sg_python = sys.executable or config.sg_python
tools = os.path.join(config.test_source_root, "tools")
golden = "%s %s" % (config.sg_python, os.path.join(tools, "golden.py"))
if lit_config.params.get("bless"):
    golden += " --bless"
config.substitutions += [
    ("%sgc", os.path.join(config.sg_build, "sgc")),
    ("%golden", golden),
    ("%source", config.sg_source),
    ("%build", config.sg_build),
    ("%python", config.sg_python),
    ("%tools", tools),
    ("%transcript", "%s %s" % (config.sg_python,
                               os.path.join(tools, "transcript.py"))),
]
config.environment["PATH"] = os.pathsep.join(
    [config.sg_build, config.sg_tools, os.environ.get("PATH", "")])
config.environment["NO_COLOR"] = "1"
config.environment["LC_ALL"] = "C.UTF-8"
config.environment["ASAN_OPTIONS"] = "detect_leaks=1"
if os.path.exists("/usr/share/datasets/fashion-mnist"):
    config.available_features.add("fashion-mnist")
config.available_features.add(
    "sanitized" if config.sg_sanitize else "release")
