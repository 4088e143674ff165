# How often each test held, from the -rpfE lines of n repetitions (make test-long); fails where one did not.
/^(PASSED|FAILED|ERROR) tests\// {
	outcome = $1
	sub(/^[A-Z]+ /, "")
	sub(/ - .*/, "")
	held[$0] += outcome == "PASSED"
	broken[$0] += outcome == "ERROR" # in its set-up (no PASSED line) or after it passed
}
END {
	for (test in held) {
		count = held[test] - (broken[test] < held[test] ? broken[test] : held[test])
		printf "%s: held %d of %d\n", test, count, n | "sort"
		tests++
		bad += count != n
	}
	close("sort")
	printf "%d of %d tests held %d of %d times\n", tests - bad, tests, n, n
	exit !tests || bad > 0
}
