#!/bin/sh
# Keep the newest logs of a folder and compress the older ones.
set -eu

folder=${1:?usage: keep_logs.sh FOLDER [COUNT]}
count=${2:-7}
number=0

ls -t "$folder"/*.log | while read -r log; do
    number=$((number + 1))
    if [ "$number" -le "$count" ]; then
        continue
    fi
    echo "compressing $log"
    gzip --best "$log"
done

find "$folder" -name '*.log.gz' -mtime +90 -exec rm {} +
