//! Each option, good and bad; the answers are checked in as snapshots.

use super::*;

/// Runs every entry as directive lines of a script; `good` says whether it must be accepted.
fn table(entries: &[&str], good: bool) -> String {
    let mut text = String::new();
    for entry in entries {
        // Directives by default; comments and what follows a `$` are lines as they stand.
        let line = |l: &str| match l.strip_prefix('$') {
            Some(plain) => plain.to_string(),
            None if l.starts_with('#') => l.into(),
            None => format!("#SBATCH {l}"),
        };
        let lines: Vec<String> = entry.split(" ; ").map(line).collect();
        let result = read(&lines.join("\n"));
        assert_eq!(result.is_ok(), good, "{entry}: {result:?}");
        text.push_str(&format!("{entry}\n{}\n", outcome(result)));
    }
    text
}

#[test]
fn good_sizes() {
    let text = table(
        &[
            "--mem=1G",
            "-n 4",
            "-n4 -c2",
            "-N 2",
            "-N 2-2 --ntasks-per-node=3",
            "--nodes=2 --ntasks=5",
            "--ntasks=10 --ntasks-per-node=4",
            "--tasks-per-node=4",
            "--ntasks=6 --nodes=2 --ntasks-per-node=4",
            "--mem-per-cpu=512M -n 4",
            "--mem=3K",
            "--gpus=2",
            "--gpus=A100:4 -N2 -n2",
            "--gpus-per-node=2 --nodes=2",
            "--gpus=8 --gpus-per-node=4",
            "--gpus=a100:8 --gres=gpu:4 --ntasks-per-node=2",
            "--gpus-per-task=1 -n 4 -N 2",
            "--gres=gpu",
            "--gres=gpu:a100",
            "--gres=gpu:a100:2",
            "--gres=gpu:2 --gpus-per-node=2",
            "--gres=none",
            "--gpus=0",
            "--gpus=1 ; #HW chip=ascend-910b|a100",
            "--gpus=a100:1 ; #HW --chip=ascend-910b,a100 line=ai",
            "#HW chip=a100",
            "#HW preemptible",
            "#HW --preemptible line=ai",
            "--preemptible",
        ],
        true,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn good_others() {
    let text = table(
        &[
            "-C a100&nvlink -L ansys:2,matlab,ansys",
            "--constraint=[r1|r2] --reservation=course-1 -N2 --ntasks=2 --switches=1@30:00",
            "--switches=2",
            "-N2 --ntasks=2 --interconnect=infiniband:200G ; #HW region=cn-east,site-3",
            "--interconnect=200G --region=a|a",
            "#HW app=lammps/2Aug2023",
            "",
            "# only a comment",
            "-J melt -t 10 # ten minutes",
            "--job-name=\"two words\" --comment='it is # no comment'",
            "--time=1-12:30:00",
            "--time 30s",
            "--array=0-9:2%4",
            "-a 1,3,5-7,3 -o slurm-%A_%a.out",
            "-a 1-2 -o same.out",
            "-a 1-2 -o %5j.out",
            "--dependency=afterok:12:13,afterany:14,afternotok:12_3,afterok:12",
            "-d afterok:job_0192f000000070008000000000000001",
            "--chdir=/scratch/run ; -e err-%j -i /dev/null --open-mode=append",
            "-D sub/folder",
            "-p cpu,gpu,cpu --qos=High -A flood",
            "--export=NONE",
            "--export=\"ALL,A=1,B='x,y'\"",
            "--export=ALL,A=1,B='x,y'",
            "--export=A=,_B2=a=b",
            "--no-requeue",
            "--no-requeue --requeue",
            "--signal=B:USR1@120",
            "--signal=sigterm",
            "--signal=12@0",
            "--time=1 --signal=TERM@60",
            "--begin=now+1hour",
            "--begin=16:00",
            "-b 2020-01-01",
            "--begin=now --deadline=23:00",
            "-H",
            "--hold",
            "--dep=afterok:1 --part=cpu",
            "--time=5 ; --time=10",
            "--get-user-env --nice=5 --hint nomultithread",
            "--mail-type=ALL --mail-user=li@example.org",
            "--mail-type=fail,BEGIN,Requeue,fail",
            "--mail-type=END,TIME_LIMIT,TIME_LIMIT_80,ARRAY_TASKS,STAGE_OUT",
            "--mail-type=END,NONE",
            "--mail-user=li",
            "--parsable -W -Q",
            "# SBATCH --time=1",
            "$ #SBATCH --time=1 ; #sbatch --time=1 ; ##SBATCH --time=1 ; #PBS -l walltime=1",
            "--time=10 ; $echo ; #SBATCH --time=20 ; #HW line=ai",
        ],
        true,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn bad_sizes() {
    let text = table(
        &[
            "--nodes=0",
            "--nodes=2-4",
            "--nodes=two",
            "--nodes=100001",
            "-n 0",
            "-n -4",
            "--ntasks=99999999999",
            "--cpus-per-task=1.5",
            "--mem=0",
            "--mem=16X",
            "--mem=65T",
            "--mem-per-cpu=lots",
            "--mem-per-cpu=1T -n 65",
            "--mem=1G ; --mem-per-cpu=1G",
            "--gpus=two",
            "--gpus=a100:1,a30:1",
            "--gpus=a100:x",
            "--gpus=3 -N2",
            "--gpus=4 ; --gpus-per-node=4 ; -N2",
            "--gpus=4 ; --gpus-per-node=3",
            "--gpus=4097",
            "--gpus-per-node=1025",
            "--gpus-per-node=1 ; --gres=gpu:2",
            "--gpus-per-task=1 -n 3 -N 2",
            "--gpus-per-task=2 -n 4 ; --gpus=4",
            "--gpus-per-task=1024 -n 65536",
            "--gres=gpu:a100:2:3",
            "--gres=gpu:1,shard:2",
            "--gres=shard:2",
            "--gres=gpu:a+b",
            "--gpus=a100:1 ; --gres=gpu:a30:1",
            "--gpus=a30:1 ; #HW chip=a100",
            "#HW chip=a100||a30",
            "-n 2 ; -N 4",
            "-n 2 ; --gpus=4 --gpus-per-node=1",
            "--ntasks=10 ; --nodes=2 ; --ntasks-per-node=4",
            "--nodes=100000 --ntasks-per-node=60000",
            "--ntasks=10000000 --ntasks-per-node=1",
            "--ntasks=70000",
            "--cpus-per-task=65536 -n 2",
        ],
        false,
    );
    insta::assert_snapshot!(text);
}

#[test]
fn bad_others() {
    let text = table(
        &[
            "-C a*2&b",
            "-L ansys|abaqus",
            "--licenses=ansys:0",
            "--reservation=a;b --switches=x",
            "--tiem=10",
            "-z",
            "--frobnicate 3 -n x",
            "--cpus=3",
            "--chpi=a100",
            "--time",
            "--time=",
            "--time --nodes=2",
            "--hold=yes",
            "--time=0",
            "--time=UNLIMITED",
            "--time=soon",
            "--time=367-0",
            "--comment=\"open",
            "--time=10 minutes",
            "--exclusive",
            "--prefer=ib",
            "-w node1 --tmp=1G",
            "--wrap=hostname --test-only",
            "--array=",
            "--array=5-1",
            "--array=1:2",
            "--array=0-9:0",
            "--array=a-b",
            "--array=1-2%0",
            "--array=0-10000",
            "--array=0-9999,4000000",
            "--array=4000001",
            "--dependency=afterok",
            "--dependency=singleton",
            "--dependency=afterok:1?afterok:2",
            "--dependency=afterok:x",
            "--dependency=before:1",
            "--chdir=~li",
            "-o %q.out",
            "-e a%",
            "-i ''",
            "-p GPU",
            "-p a,,b",
            "-q gold",
            "--mail-type=END,SOMETIMES",
            "-A 'two words'",
            "--export=NONE,A=1",
            "--export=1A=1",
            "--export=A='x",
            "--signal=USR9",
            "--signal=R:USR1",
            "--signal=65",
            "--signal=USR1@99999",
            "--begin=tuesday",
            "--begin=now+11000days",
            "--deadline=2020-01-01",
            "--time=60 ; --deadline=now+30minutes",
            "--begin=23:00 ; --deadline=now+2hours",
            "--deadline=now+2minutes",
            "--open-mode=w",
            "#HW preemptible=1",
            "-N2 --interconnect=fast;x --region=,",
            "-N2 --interconnect=200GB",
            "#HW app=../x;y",
            "#HW chips=a100",
            "#HW time=10",
            "#HW chip",
            "#HW line=maas",
            "#HW line=gold",
            "#HW line='ai",
        ],
        false,
    );
    insta::assert_snapshot!(text);
    // The folder of the submitter may be unknown, as with a request body.
    let parsed = parse_script(&script("#SBATCH -D sub")).unwrap();
    let text = outcome(resolve(&parsed, &Defaults::default(), Context::at(Timestamp::ZERO)));
    insta::assert_snapshot!("bad_relative_folder", text);
}

#[test]
fn long_values_are_refused() {
    let long = |option: &str, bytes: usize| read(&format!("#SBATCH --{option}={}", "x".repeat(bytes)));
    for (option, max) in [
        ("job-name", limits::NAME_LENGTH_MAX),
        ("comment", limits::COMMENT_BYTES_MAX),
        ("mail-user", limits::MAIL_USER_BYTES_MAX),
        ("output", limits::PATH_BYTES_MAX),
    ] {
        assert!(long(option, max).is_ok(), "{option}");
        assert_eq!(long(option, max + 1).unwrap_err()[0].code, FaultCode::TooLong, "{option}");
    }
    let list = |n: usize| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>();
    let depend = |n: usize| read(&format!("#SBATCH -d afterok:{}", list(n).join(":")));
    assert_eq!(depend(limits::DEPENDENCIES_MAX).unwrap().dependencies.len(), limits::DEPENDENCIES_MAX);
    assert_eq!(depend(limits::DEPENDENCIES_MAX + 1).unwrap_err()[0].code, FaultCode::TooMany);
    let pools = |n: usize| read(&format!("#SBATCH -p p{}", list(n).join(",p")));
    assert_eq!(pools(limits::POOLS_MAX).unwrap().spec.pools.len(), limits::POOLS_MAX);
    assert_eq!(pools(limits::POOLS_MAX + 1).unwrap_err()[0].code, FaultCode::TooMany);
    let array = |text: &str| read(&format!("#SBATCH -a {text}")).map(|d| d.spec.array.unwrap().indices.len());
    assert_eq!(array("0-9999"), Ok(10_000));
    assert_eq!(array("0-4000000:401"), Ok(9_976));
}

#[test]
fn scripts_that_cannot_run() {
    let long = format!("#!/bin/sh\n{}", " ".repeat(limits::SCRIPT_BYTES_MAX));
    let mut text = String::new();
    for (what, script) in [
        ("empty", ""),
        ("blank", " \n\n"),
        ("no interpreter", "echo hello\n"),
        ("empty interpreter", "#! \necho\n"),
        ("byte order mark", "\u{feff}#!/bin/sh\n"),
        ("blank first line", "\n#!/bin/sh\n"),
        ("DOS", "#!/bin/sh\necho\nhostname\r\n"),
        ("DOS throughout", "#!/bin/sh\r\n#SBATCH -n 2\r\n"),
        ("zero byte", "#!/bin/sh\n\0\n"),
        ("too large", &long),
    ] {
        let faults = parse_script(script).unwrap_err();
        text.push_str(&format!("{what}\n{}\n", outcome(Err(faults))));
    }
    insta::assert_snapshot!(text);
    let many = script(&"#SBATCH --nope\n".repeat(1_000));
    assert_eq!(parse_script(&many).unwrap_err().len(), limits::FAULTS_MAX);
    let none = resolve(&Parsed::default(), &Defaults::default(), context());
    assert_eq!(none.unwrap_err()[0].code, FaultCode::ScriptMissing);
    assert!(parse_script(&wrap_script("echo $HOME")).is_ok());
}

#[test]
fn command_lines() {
    let mut text = String::new();
    for line in [
        "",
        "run.sh",
        "-n 4 --mem=1G run.sh -n 5 --time=1",
        "-Hn4 --job-name melt -- -run.sh a",
        "--parsable -W --quiet -vv --test-only --wrap 'echo a b'",
        "-J a -J b",
        "-h",
        "-t=10 run.sh",
        "--nice --exclusive=user run.sh",
        "-q --export A=1 run.sh",
        "--nodes",
        "-n",
        "--bogus run.sh",
        "--chpi=a100",
    ] {
        let told = match parse_args(&words(line)) {
            Ok(command) => {
                let given: Vec<String> = Key::ALL
                    .iter()
                    .filter_map(|k| {
                        command.parsed.options.get(*k).map(|g| format!("{}={} ({})", k.name(), g.value, g.origin))
                    })
                    .collect();
                let mut text = format!(
                    "  {} | {:?} {:?}\n  {:?}",
                    given.join(" "),
                    command.script_path,
                    command.args,
                    command.client
                );
                text.extend(command.parsed.warnings.iter().map(|w| format!("\n  warning: {w}")));
                text
            }
            Err(faults) => outcome(Err(faults)),
        };
        text.push_str(&format!("sbatch {line}\n{told}\n"));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn single_flags_and_variables() {
    let time = |parsed: Parsed| parsed.options.time.unwrap();
    assert_eq!(time(parse_flag("time", Some("10")).unwrap()), Given::new("10".into(), Origin::Flag));
    assert_eq!(time(parse_flag("-t", Some("10")).unwrap()).value, "10");
    assert!(parse_flag("hold", None).unwrap().options.hold.unwrap().value);
    let code = |name, value| parse_flag(name, value).unwrap_err()[0].code;
    assert_eq!(code("time", None), FaultCode::ValueMissing);
    assert_eq!(code("hold", Some("x")), FaultCode::ValueUnwanted);
    assert_eq!(code("wait", None), FaultCode::CommandLineOnly);
    assert_eq!(code("tiem", Some("1")), FaultCode::UnknownOption);
    let variables =
        [("SBATCH_TIMELIMIT", "20"), ("SBATCH_MEM_PER_NODE", ""), ("SBATCH_NO_REQUEUE", "1"), ("PATH", "/bin")];
    let parsed = parse_environment(variables);
    assert_eq!(parsed.options.requeue, Some(Given::new(false, Origin::Environment)));
    assert_eq!(parsed.options.mem, None);
    assert_eq!(time(parsed), Given::new("20".into(), Origin::Environment));
}

#[test]
fn precedence() {
    let script = parse_script(&script("#SBATCH --time=10 --mem=1G --gres=gpu:1 -J a")).unwrap();
    let environment = parse_environment([("SBATCH_TIMELIMIT", "20"), ("SBATCH_JOB_NAME", "b")]);
    let flags = parse_args(&words("--time=30 --mem-per-cpu=3G --gpus-per-node=2 -n 2")).unwrap().parsed;
    let merged = merge(merge(script.clone(), environment), flags.clone());
    let draft = resolve(&merged, &Defaults::default(), context()).unwrap();
    assert_eq!(told(&draft), "  name=b tasks=2 per_node=[cpu=2,mem=6G,gres/gpu=2] time=30m");
    // A contradiction across sources stands at the stronger one and names the other.
    let faults = resolve(
        &merge(script, parse_args(&words("--gpus=4 -N 2 -n 2")).unwrap().parsed),
        &Defaults::default(),
        context(),
    );
    let fault = &faults.unwrap_err()[0];
    assert_eq!(
        fault.to_string(),
        "command line: --gpus: contradicts --gres on line 2: 2 nodes with 1 GPUs on each are not 4 in all"
    );
    assert_eq!(fault.other, Some(("gres".into(), Origin::Line(2))));
}

#[test]
fn request_bodies_take_the_same_path() {
    let options = Options {
        ntasks_per_node: Some(Given::json("x")),
        chip: Some(Given::json("A|b+")),
        mem: Some(Given::json("1G")),
        ..Options::default()
    };
    let merged = merge(parse_script(&script("#SBATCH --mem-per-cpu=1G")).unwrap(), Parsed::from_options(options));
    let text = outcome(resolve(&merged, &Defaults::default(), context()));
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_exported() {
    let pair = |n: &str, v: &str| (n.to_string(), v.to_string());
    let environment = [
        pair("PATH", "/bin"),
        pair("B", "2"),
        pair("HW_TOKEN", "secret"),
        pair("SLURM_JOB_ID", "7"),
        pair("BASH_FUNC_f%%", "() { :; }"),
    ];
    let run = |line: &str, environment: &[(String, String)]| {
        let parsed = parse_script(&script(line)).unwrap();
        resolve(&parsed, &Defaults::default(), Context { environment, ..context() }).map(|d| d.spec.environment)
    };
    let all = vec![pair("B", "2"), pair("BASH_FUNC_f%%", "() { :; }"), pair("PATH", "/bin")];
    assert_eq!(run("", &environment), Ok(all.clone()));
    assert_eq!(run("#SBATCH --export=ALL,B=3", &environment).unwrap()[0], pair("B", "3"));
    assert_eq!(run("#SBATCH --export=NONE", &environment), Ok(vec![]));
    assert_eq!(run("#SBATCH --export=A=1,B,MISSING", &environment), Ok(vec![pair("A", "1"), pair("B", "2")]));
    assert_eq!(run("#SBATCH --export=HW_TOKEN", &environment), Ok(vec![pair("HW_TOKEN", "secret")]));
    let code = |environment: &[(String, String)]| run("", environment).unwrap_err()[0].code;
    assert_eq!(code(&[pair("A=B", "1")]), FaultCode::BadValue);
    assert_eq!(code(&[pair("A", "\0")]), FaultCode::BadValue);
    assert_eq!(code(&[pair("A", &"x".repeat(limits::ENVIRONMENT_ENTRY_BYTES_MAX))]), FaultCode::TooLong);
    let many: Vec<_> = (0..11).map(|i| pair(&format!("A{i}"), &"x".repeat(100_000))).collect();
    assert_eq!(code(&many), FaultCode::TooLong);
    assert_eq!(run("", &many[..10]).unwrap().len(), 10);
    let args = vec!["x".repeat(100_000); 3];
    let parsed = parse_script(&script("")).unwrap();
    let with = |args| resolve(&parsed, &Defaults::default(), Context { args, ..context() });
    assert_eq!(with(&args[..2]).unwrap().spec.args.len(), 2);
    assert_eq!(with(&args).unwrap_err()[0].code, FaultCode::TooLong);
}

#[test]
fn fault_codes_are_distinct() {
    let names: std::collections::BTreeSet<_> = FaultCode::ALL.iter().map(|c| c.as_str()).collect();
    assert_eq!(names.len(), FaultCode::ALL.len());
}

/// The repository's own examples are accepted without a warning.
#[test]
fn the_examples_are_accepted() {
    for text in [
        include_str!("../../../../examples/hello/hello.sh"),
        include_str!("../../../../examples/array/array.sh"),
        include_str!("../../../../examples/melt/melt.sh"),
        include_str!("../../../../examples/chain/prepare.sh"),
    ] {
        let draft = resolve(&parse_script(text).unwrap(), &Defaults::default(), context()).unwrap();
        assert_eq!(draft.warnings, vec![], "{text}");
    }
}
