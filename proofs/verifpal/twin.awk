# Makes a twin of a model. A line "//! NAME: TEXT" stands before the line that the twin NAME
# has in another form: TEXT, or not at all where TEXT is empty. With TWIN empty nothing changes.
/^[ \t]*\/\/! / {
	line = $0
	sub(/^[ \t]*\/\/! /, "", line)
	at = index(line, ":")
	if (substr(line, 1, at - 1) == TWIN) {
		text = substr(line, at + 1)
		sub(/^[ \t]*/, "", text)
		replace = 1
		changed++
	}
	next
}
/^[ \t]*\/\// { next }
replace {
	if (text != "") print "\t" text
	replace = 0
	next
}
{ print }
END { if (TWIN != "" && !changed) { print "no line of the model is marked " TWIN > "/dev/stderr"; exit 1 } }
