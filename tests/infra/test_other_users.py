"""Which other users a machine has."""

from pathlib import Path

from infra.other_users import other_users


def test_people_are_users_that_can_log_in(tmp_path: Path) -> None:
    """Neither services nor this user; a broken line or a missing file lists no one."""
    passwd = tmp_path / "passwd"
    passwd.write_text(
        "root:x:0:0:root:/root:/bin/bash\n"
        "daemon:x:1:1::/:/usr/sbin/nologin\n"
        "me:x:1000:1000::/home/me:/bin/bash\n"
        "ann:x:1001:1001::/home/ann:/bin/zsh\n"
        "job:x:1002:1002::/home/job:/usr/sbin/nologin\n"
        "nobody:x:65534:65534::/nonexistent:/bin/sh\n"
        "broken:x:y\n\n"
    )
    assert ["ann"] == other_users(passwd, 1000)
    assert ["me", "ann"] == other_users(passwd, 0)
    assert [] == other_users(tmp_path / "none")
