"""What a run with several processes says about a role's growth, and about its limit."""

from dataclasses import replace

from benchmarks.scaled_run import ScaledRun, markdown, middle

ONE = ScaledRun(
    role="tracker",
    seconds=10.0,
    handled=(20_000.0,),
    cpu=(9.5,),
    partitions=(24,),
    broker=2.0,
    busy=12.0,
    idle=8.0,
)


def test_work_is_counted_for_wall_time_and_for_the_cpu_time_of_the_role() -> None:
    """The broker's time is not the role's, and belongs not to the others either."""
    run = replace(ONE, handled=(12_000.0, 8_000.0), cpu=(5.0, 3.0), busy=13.0)
    assert 2_000 == run.rate
    assert 2_500 == run.per_cpu
    assert 3.0 == run.others


def test_uneven_shares_show_in_the_busiest_process() -> None:
    """It ends last, so the others wait for it."""
    run = replace(ONE, handled=(12_000.0, 8_000.0), cpu=(5.0, 3.0))
    assert 1.2 == run.busiest
    assert 1.0 == ONE.busiest


def test_the_limit_is_the_resource_that_is_used_up() -> None:
    """The whole machine; one process, as it has one interpreter; or neither, and then it waits."""
    assert "a process's core" == ONE.limit
    assert "all cores" == replace(ONE, busy=19.5, idle=0.5).limit
    waiting = replace(ONE, cpu=(5.0,))
    assert "waiting" == waiting.limit
    assert "the load's rate" == replace(waiting, is_paced=True).limit


def test_time_that_the_hypervisor_took_is_no_idle_time() -> None:
    """A machine of which another one took a core has no core left."""
    assert "all cores" == replace(ONE, busy=10.0, idle=0.5, stolen=9.5).limit


def test_the_middle_run_is_neither_the_best_nor_the_worst() -> None:
    """Of two, it is the lower one."""
    runs = [replace(ONE, handled=(n,)) for n in (30_000.0, 10_000.0, 20_000.0)]
    assert 2_000 == middle(runs).rate
    assert 1_000 == middle(runs[1:]).rate


def test_the_table_compares_each_run_with_one_process() -> None:
    """Each role with its own."""
    two = replace(ONE, handled=(15_000.0, 15_000.0), cpu=(7.5, 7.5), partitions=(12, 12))
    other = replace(ONE, role="recorder", handled=(1_000.0,))
    row = markdown([ONE, two, other]).splitlines()[3]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert ["tracker", "2", "3,000", "1.50", "2,000", "0.95"] == cells[:6]
    assert "12 to 12" in cells
