"""Writes the Parquet files beside it with pyarrow, as hospitals' tools do: made-up rows of nobody.

    pip install pyarrow && python make.py
"""

import datetime as dt
import decimal
import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent
ROWS = 12

ids = [f"p-{i}" for i in range(1, ROWS + 1)]
ages = [30 + 4 * i for i in range(ROWS)]
hb = [None if i == 3 else float("nan") if i == 5 else 8.0 + 0.5 * i for i in range(ROWS)]
sex = ["F" if i % 3 else "M" for i in range(ROWS)]
dead = [i % 4 == 0 for i in range(ROWS)]
born = [dt.date(1950 + i, 3, 31) for i in range(ROWS)]
seen = [None if i == 7 else dt.datetime(2021, 3, 31, i, 30) for i in range(ROWS)]
dose = [decimal.Decimal(i) / 4 for i in range(ROWS)]
count = [i if i % 2 else None for i in range(ROWS)]

table = pa.table(
    {
        "id": pa.array(ids, pa.string()),
        "age": pa.array(ages, pa.int64()),
        "hb [g/dL]": pa.array(hb, pa.float64()),
        "sex": pa.array(sex, pa.string()).dictionary_encode(),
        "death": pa.array(dead, pa.bool_()),
        "born": pa.array(born, pa.date32()),
        "seen": pa.array(seen, pa.timestamp("us")),
        "dose": pa.array(dose, pa.decimal128(6, 2)),
        "count": pa.array(count, pa.uint8()),
        "score": pa.array([0.1 * i for i in range(ROWS)], pa.float32()),
    }
)
nested = pa.table({"id": pa.array(ids), "visits": pa.array([[1, 2]] * ROWS)})

pq.write_table(table, HERE / "snappy.parquet", row_group_size=5)
pq.write_table(table, HERE / "gzip.parquet", compression="gzip", data_page_version="2.0")
pq.write_table(table, HERE / "plain.parquet", compression="none", use_dictionary=False)
pq.write_table(table, HERE / "zstd.parquet", compression="zstd")
pq.write_table(nested, HERE / "nested.parquet")


def number(value):
    return "" if value is None or value != value else f"{value:.10g}"


lines = [",".join(table.column_names)]
for i in range(ROWS):
    moment = "" if seen[i] is None else f"2021-03-31T{i:02}:30:00" if seen[i] else ""
    lines.append(
        ",".join(
            [
                ids[i],
                str(ages[i]),
                number(hb[i]),
                sex[i],
                str(int(dead[i])),
                born[i].isoformat(),
                moment,
                f"{float(dose[i]):.10g}",
                "" if count[i] is None else str(count[i]),
                f"{0.1 * i:.7g}",
            ]
        )
    )
(HERE / "expected.csv").write_text("\n".join(lines) + "\n")
