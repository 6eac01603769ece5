"""Opening a file as what it is."""

from pathlib import Path

from adapters.sources.mapping import FileForm
from adapters.sources.parquet import ParquetFile
from adapters.sources.readers import DelimitedFile, Source
from adapters.sources.xes import EventLog


def open_source(path: Path, form: FileForm) -> Source:
    """A file in the form that its mapping names.

    Raises:
        UnreadableInput: the file as a whole cannot be read.
        MappingInvalid: it names a column twice.
        ExtraMissing: its form needs an extra that is not installed.
    """
    match form.format:
        case "xes":
            return EventLog(path)
        case "parquet":
            return ParquetFile(path)
        case text:
            return DelimitedFile(
                path,
                form=text,
                encoding=form.encoding,
                columns=form.columns,
                delimiter=form.delimiter,
                quote=form.quote,
            )
