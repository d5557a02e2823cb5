"""The benchmarks: what the product costs, beside what it is compared with, in one run. `make bench` prints the tables.

Absolute figures drift with the machine and its neighbours; ratios measured in alternated rounds hold. No test asserts
a time: `test_bench` only sees that every benchmark runs and that what it measures is right.
"""
