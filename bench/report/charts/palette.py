"""The colours of categories, on paper and on a dark screen.

Told apart with any colour vision (CIEDE2000 of at least 10 between each two, also as people without one kind of cone
see them; Machado, Oliveira and Fernandes 2009), the first three also in grey, and with a contrast of at least 3 to 1 to
the background (WCAG 2.2, success criterion 1.4.11). A colour has its hue in both themes.
"""

#: Blue, orange, teal, purple, olive, green, pink, grey.
LIGHT = ("#184073", "#b84a00", "#28a39c", "#a84ec5", "#999709", "#16794f", "#dc5487", "#414448")
DARK = ("#4776ef", "#e89576", "#82f3eb", "#c195cc", "#f4e468", "#279732", "#d46082", "#abafb3")
