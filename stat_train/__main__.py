"""`python -m stat_train` is `stat-train`."""

from stat_train.cli import main

main()
