//! The command line as a whole: flags for everywhere and one verb.

use clap::Parser;

use crate::settings::Global;
use crate::verbs::Verb;

/// Headworks: a control plane for computing power
#[derive(Debug, Parser)]
#[command(
    name = "hw",
    version,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    max_term_width = 110,
    after_help = "Exit codes: `hw help exit-codes`."
)]
pub struct App {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        App::command().debug_assert();
    }

    #[test]
    fn lines_are_read() {
        for line in [
            "hw up --data d --listen 127.0.0.1:1 --set log=debug",
            "hw config --json",
            "hw admin reset-password ann --data d",
            "hw login ann --password-stdin --expires 30d --scope jobs",
            "hw submit -N2 -n 4 --time=1:00 --wait job.sh -x --y z",
            "hw submit - --gres=gpu:a100:2 -q",
            "hw quote job.sh --qos high",
            "hw jobs -a -s RUNNING,PD -u me --since now-2h --limit 5",
            "hw jobs --watch",
            "hw show 12_3 --intervals",
            "hw logs -f 12 --stderr",
            "hw logs 12 --tail 5",
            "hw cancel 12 12_[1-3]",
            "hw cancel --user ann -y",
            "hw update 12 --time-limit 2:00:00",
            "hw put a b/c data/",
            "hw put -A bio mesh.msh cases/mesh.msh",
            "hw get 12_3:out/x.vtk .",
            "hw get data/in.txt",
            "hw ls",
            "hw ls 12: --json",
            "hw ls -R data",
            "hw cat 12:hw-12.out data/in.txt",
            "hw rm -r data old",
            "hw submit --stage-in data/in.txt --stage-in mesh:case/mesh job.sh",
            "hw nodes drain local n1 n2",
            "hw sites",
            "hw sites enroll harbour --slurm --supplier portco",
            "hw --yes sites revoke harbour",
            "hw site --state d",
            "hw site --state d --join h:7461 --pin 0000000000000000000000000000000000000000000000000000000000000000 --token hws_0 --local pools.toml",
            "hw cluster add alpha.toml --yes",
            "hw cluster add --name alpha --supplier hpc --mode partner --command --work-root /w",
            "hw cluster service alpha testing",
            "hw cluster service alpha --force",
            "hw tenants create bio --credit-limit 100",
            "hw tenants set bio --status suspended",
            "hw users create bob --role owner --tenant bio --password-stdin",
            "hw users password",
            "hw tokens create ci --scope read --expires 1d",
            "hw wallet --tenant bio top-up -12.50 --memo back",
            "hw wallet top-up 100 --tenant bio",
            "hw budgets",
            "hw budgets set 100 --hard --period quarter -u ann --utc-offset -03:00 --alerts 50,90",
            "hw budgets --tenant bio remove 3",
            "hw suppliers",
            "hw suppliers set harbour --settles quarter --minimum 5000 --from 2026-10-01 --to 2027-10-01",
            "hw report margin --by season,user",
            "hw report tenants -S 2026-10-01",
            "hw report mix",
            "hw report ageing",
            "hw prices publish prices.toml",
            "hw bill --csv --from 2026-11-01 --job 12",
            "hw margin --by pool",
            "hw events -f --after 7",
            "hw twin replay --trace t.swf.gz --procs 512 --policy easy-sjbf --perfect-estimates --json",
            "hw twin replay --trace - --format sacct --bad-lines skip --days 30.5 --jobs-csv o.csv --swf o.swf",
            "hw twin broker --cluster a:338:a.swf --cluster b:100:b.swf --days 330 --router home --json",
            "hw twin broker --cluster a:338:a.swf --cluster b:100:b.swf --router headworks --policy headworks",
            "hw twin pack --nodes n.csv --pods p.csv --order rows --node-order names --policy FGD --json",
            "hw twin pack --nodes n.csv --pods p.csv --policy bestfit --seed 9",
            "hw twin year --jobs 4000 --days 365 --seed 7 --books books --json",
            "hw twin export --trace h.swf.gz --csv h.csv --supply s.toml --since now-30d --tenant bio --usage --json",
            "hw twin live --add new:4:64:8 --lose alpha:2 --policy p.toml --horizon 2d --json",
            "hw twin live --snapshot now.json --add-pool pools.toml",
            "hw completions bash",
            "hw help users create",
            "hw --lang zh --url http://h jobs --json",
            "hw squeue -h -o %i",
            "hw sbatch --help",
        ] {
            if let Err(fault) = App::try_parse_from(line.split(' ')) {
                panic!("{line}: {fault}");
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "hw",
            "hw frobnicate",
            "hw admin",
            "hw admin reset-password",
            "hw submit",
            "hw submit job.sh --requeue --no-requeue",
            "hw jobs -s NOWHERE",
            "hw jobs --since never",
            "hw update 12",
            "hw update 12 --qos best",
            "hw tenants set bio",
            "hw site --join h:7461",
            "hw site --state d --join h:7461 --pin 12 --token x",
            "hw sites enroll",
            "hw wallet top-up much",
            "hw budgets set 100",
            "hw budgets set 100 --hard --soft",
            "hw bill --csv --json",
            "hw events --after 7",
            "hw margin --by moon",
            "hw twin",
            "hw twin replay --policy easy",
            "hw twin replay --trace t --procs 0",
            "hw twin broker --router home",
            "hw twin export",
            "hw twin live --add x:0:4",
            "hw twin live --snapshot a --save b",
            "hw twin export --tenant bio",
            "hw twin broker --cluster a:4:a.swf --policy best",
            "hw twin pack --nodes n.csv",
            "hw twin pack --nodes n.csv --pods p.csv --policy none",
            "hw twin year --jobs 0",
            "hw twin broker --cluster a:b:c",
            "hw tokens revoke",
            "hw put onlyone",
            "hw get",
            "hw cat",
            "hw rm",
            "hw submit job.sh --stage-in :x",
            "hw tokens revoke tok_1",
            "hw users create bob --no-password --password-stdin",
        ] {
            assert!(App::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
