"""`python -m tb_evalguide` is the command `tb-evalguide`."""

from tb_evalguide.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
