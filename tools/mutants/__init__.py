"""Change the pure cores one operator or statement at a time, and run their tests: `make mutants`.

A change that no test notices (a survivor) shows behaviour that no test states.
"""
