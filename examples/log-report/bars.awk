# One line an hour: a bar as long as its share of the busiest hour.
{
  split($4, stamp, ":")
  bytes[stamp[2]] += $10
}

END {
  for (hour in bytes) if (bytes[hour] > most) most = bytes[hour]
  for (h = 0; h < 24; h++) {
    hour = sprintf("%02d", h)
    length_ = most ? int(50 * bytes[hour] / most + 0.5) : 0
    bar = ""
    while (length(bar) < length_) bar = bar "#"
    printf "%s:00 %7d %s\n", hour, bytes[hour], bar
  }
}
