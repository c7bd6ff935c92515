"""A small table as a file, and what is not one."""

FORMULA = "y ~ x + (1 | g)"


ROWS = "".join(
    f"{(7 * i) % 5 + 0.1 * i:.1f},{i % 4},{'abc'[i % 3]},{i % 3 + 1}\n" for i in range(24)
)


GOOD = "y,x,g,k\n" + ROWS


def put(folder, content, name="data.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return name
