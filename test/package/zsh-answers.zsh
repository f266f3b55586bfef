# usage: zsh zsh-answers.zsh LINE PATTERN
# Types the line and a tab into a real zsh with completion on, and waits until what it shows has the pattern.
zmodload zsh/zpty
output= part= end=$((SECONDS + 60))
until_shown() {
  while [[ $output != ${~1} ]] && (( SECONDS < end )); do
    if zpty -r -t z part; then output+=$part; else sleep 0.05; fi
  done
  [[ $output == ${~1} ]]
}
zpty z 'TERM=dumb zsh -f -i'
# In two parts, so that the echo of this line is no answer.
zpty -w z 'PS1=; autoload -Uz compinit; compinit -u -D; LISTMAX=10000; print RE""ADY'
until_shown '*READY*'
output=
zpty -w -n z "$1"$'\t'
until_shown "$2" && print -r -- shown || print -r -- "not shown: $output"
