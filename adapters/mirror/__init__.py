"""The columnar mirror: a log and its views as Parquet, for programs that read columns."""
