# fish completion for med-score; written by completions/generate.py

complete -c med-score -f
complete -c med-score -n 'not __fish_seen_subcommand_from labels' -l version -d 'Show the version and exit.'
complete -c med-score -n 'not __fish_seen_subcommand_from labels' -s h -l help -d 'Show this message and exit.'
complete -c med-score -n 'not __fish_seen_subcommand_from labels' -a labels -d 'Score multi-label predictions: AUROC, AUPRC, thresholds, with bootstrap intervals'
complete -c med-score -n '__fish_seen_subcommand_from labels' -F
complete -c med-score -n '__fish_seen_subcommand_from labels' -l truth -r -F -d 'CSV or JSON Lines; columns named as the scores.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l against -r -F -d 'A second stream: both sides, and paired differences, first minus second.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l id-column -x -d 'The truth table\'s column of record ids.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l by -x -d 'Column of patients: intervals resample whole patients.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l classes -x -d 'Score only these: MI,NORM.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l threshold -x -d 'Add this threshold to the tables; repeatable.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l draws -x -d 'Bootstrap draws: at least 100, or 0 for no intervals.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l seed -x -d 'Seed of the draws.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l min-support -x -d 'Positives that a class needs for the second macro mean.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -s o -l output -r -F -d 'Where the metrics go.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l table -d 'The table on standard output, in place of JSON Lines.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -l quiet -d 'No table and no messages on stderr.'
complete -c med-score -n '__fish_seen_subcommand_from labels' -s h -l help -d 'Show this message and exit.'
