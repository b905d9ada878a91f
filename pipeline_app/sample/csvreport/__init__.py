"""csvreport: from a CSV file to a cleaned copy, summary statistics, a chart and a report, by way of DuckDB."""
