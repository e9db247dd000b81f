"""`python -m benchmarks`: measures, and prints each figure beside what it must reach."""

import argparse
import sys
from collections.abc import Callable
from typing import Final

import orjson

from benchmarks import (
    alert_latency,
    alert_policy,
    append_one,
    append_together,
    audit_cost,
    audit_proofs,
    audit_verify,
    fan_out,
    feed_latency,
    http_filing,
    http_story,
    import_batches,
    open_million,
    rebuild,
    replay,
    webhook_deliveries,
)
from benchmarks.measuring import Effort, Finding
from dateline.start import TURN

__all__ = ["main"]

BENCHMARKS: Final[dict[str, Callable[[Effort], list[Finding]]]] = {
    "append_one": append_one.measure,
    "append_together": append_together.measure,
    "import_batches": import_batches.measure,
    "replay": replay.measure,
    "rebuild": rebuild.measure,
    "open_million": open_million.measure,
    "audit_cost": audit_cost.measure,
    "audit_proofs": audit_proofs.measure,
    "audit_verify": audit_verify.measure,
    "fan_out": fan_out.measure,
    "feed_latency": feed_latency.measure,
    "http_filing": http_filing.measure,
    "http_story": http_story.measure,
    "alert_latency": alert_latency.measure,
    "webhook_deliveries": webhook_deliveries.measure,
    "alert_policy": alert_policy.measure,
}
WHOLE = Effort(1.0, 7)
QUICK = Effort(0.1, 5)


def main() -> int:
    """Run the benchmarks that were asked for; a target that is not reached fails no build."""
    asked = _arguments()
    sys.setswitchinterval(TURN)  # as the program does
    effort = QUICK if asked.quick else WHOLE
    findings: list[Finding] = []
    for name in asked.only or BENCHMARKS:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        found = BENCHMARKS[name](effort)
        findings += found
        if not asked.json:
            _print(found)
    if asked.json:
        rows = [{**finding._asdict(), "reached": finding.reached} for finding in findings]
        print(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument(
        "--quick", action="store_true", help="a tenth of the events: about a minute"
    )
    parser.add_argument(
        "--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS)
    )
    return parser.parse_args()


def _print(findings: list[Finding]) -> None:
    print(f"\n{findings[0].benchmark}")
    for finding in findings:
        verdict = {True: "reaches", False: "FALLS SHORT OF", None: ""}[finding.reached]
        bound = "" if finding.target is None else f"{verdict} {finding.target:g} {finding.unit}"
        print(f"  {finding.what:<66} {finding.figure:>9,.2f} {finding.unit:<9} {bound}")


if __name__ == "__main__":
    sys.exit(main())
