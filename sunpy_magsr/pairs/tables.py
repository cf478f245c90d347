"""Tables of what is done, which a run that was stopped reads again."""

import io

from astropy.table import Table

from sunpy_magsr._files import whole_file


def read_rows(path, key):
    """Read the rows of a table, by the value of one column; none if there is no table."""
    if not path.is_file():
        return {}
    table = Table.read(path, format="ascii.ecsv")
    columns = [
        column.filled("").tolist() if hasattr(column, "filled") else column.tolist() for column in table.itercols()
    ]
    rows = [dict(zip(table.colnames, row, strict=True)) for row in zip(*columns, strict=True)]
    return {row[key]: row for row in rows}


def write_rows(path, rows):
    """Write rows as an ECSV table. A reader never sees a part of it."""
    table = Table(rows=list(rows))
    text = io.StringIO()
    table.write(text, format="ascii.ecsv", delimiter=",")
    with whole_file(path) as stream:
        stream.write(text.getvalue().encode())
    return table
