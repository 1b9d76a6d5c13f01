# Every everyday command of the project. The work is done in scripts/; this file only names it.
.PHONY: help up test bench soak check fences console shots clean-data
.DEFAULT_GOAL := help

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

up: ## install what is missing, build, start the platform, run a sample job, stay up
	@scripts/setup.sh run
	@scripts/build.sh
	@scripts/up.sh

test: ## install what is missing and run every check and test
	@scripts/setup.sh test
	@scripts/test.sh

bench: ## measure the figures the project promises (optimised build, real Slurm)
	@scripts/setup.sh test
	@scripts/bench.sh

check: ## format, lints, fences, dependency policy: the quick part of `make test`
	@scripts/check.sh

fences: ## write the generated clippy.toml of every crate anew
	@cargo run -q -p headworks-xtask -- fences --write

console: ## build the web page (needs Node.js 20 or later with npm)
	@scripts/console.sh

shots: ## pictures of every page of a real platform, into HW_SHOTS (default /tmp/headworks-shots)
	@scripts/setup.sh test
	@scripts/console.sh
	@HW_SHOTS=$${HW_SHOTS:-/tmp/headworks-shots} cargo nextest run -p headworks-cli -E 'test(heavy_the_page_works_in_a_browser)'

clean-data: ## delete the data folder of `make up` (asks first)
	@scripts/clean-data.sh

soak: ## chaos over three real Slurm clusters: 1,000 seeds of 2,000 jobs (HW_CHAOS_SEEDS, HW_CHAOS_JOBS, HW_SEED; HW_KEEP keeps failures)
	@scripts/setup.sh test
	@HW_CHAOS_SEEDS=$${HW_CHAOS_SEEDS:-1000} HW_CHAOS_JOBS=$${HW_CHAOS_JOBS:-2000} \
		cargo nextest run --profile soak -p headworks-cli --test chaos --no-capture
