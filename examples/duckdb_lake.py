"""Print recorded time and losses by day: a DuckDB script over the lake (docs/lake.md).

The lander writes each record once, and a version of a record beside the others: of the versions
of a recording or call, the last one counts.
"""

import argparse

import duckdb

REPORT = """
with completed as (
    select
        recording_id, duration_ms, received, lost,
        cast(started_at at time zone 'UTC' as date) as day
    from read_parquet($recordings, union_by_name = true)
    where _type = 'RecordingCompleted'
    qualify row_number() over (partition by recording_id order by _timestamp desc) = 1
)
select day, count(*) as recordings, sum(duration_ms) / 1000 as seconds, sum(lost) as lost_frames
from completed group by day order by day
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lake", help="directory, or s3:// URL (see DuckDB's httpfs)")
    parser.add_argument("--prefix", default="", help="FLEXCAPTURE_TOPIC_PREFIX")
    arguments = parser.parse_args()
    with duckdb.connect() as database:
        files = f"{arguments.lake.rstrip('/')}/topic={arguments.prefix}recordings/*/*.parquet"
        report = database.execute(REPORT, {"recordings": files})
        print(*[column[0] for column in report.description or []], sep="\t")
        for row in report.fetchall():
            print(*row, sep="\t")


if __name__ == "__main__":
    main()
