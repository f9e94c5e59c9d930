"""Words and sentence templates of the synthetic tasks. A change alters their rows: raise ``generator_version``."""

from collections.abc import Mapping

# fmt: off

# Words by strength: the sign is the polarity, the size the strength of the word without a modifier.
POLARITY_WORDS: Mapping[int, tuple[str, ...]] = {
    -2: ("awful", "dreadful", "horrible", "atrocious", "appalling", "abysmal", "terrible", "unbearable", "hideous"),
    -1: ("bad", "dull", "weak", "clumsy", "bland", "tiresome", "sloppy", "disappointing", "shabby", "tedious"),
    0: ("average", "ordinary", "acceptable", "unremarkable", "middling", "standard", "typical", "passable"),
    1: ("good", "nice", "pleasant", "enjoyable", "likeable", "charming", "neat", "satisfying", "cosy", "decent"),
    2: (
        "brilliant", "superb", "wonderful", "outstanding", "magnificent",
        "flawless", "terrific", "marvellous", "sublime",
    ),
}  # fmt: skip
INTENSIFIERS = ("very", "really", "truly", "remarkably", "thoroughly", "extremely")
DIMINISHERS = ("slightly", "somewhat", "a little", "mildly", "a touch", "rather")
NEGATORS = ("not", "hardly", "far from", "not exactly", "by no means", "scarcely")
NEITHER = "neither {first} nor {second}"
POLARITY_CLAUSES = (
    "the {subject} was {phrase}", "the {subject} seemed {phrase}",
    "the {subject} turned out to be {phrase}", "I found that the {subject} was {phrase}",
)
# A row stays in one domain, so that both sides of a contrast have related subjects.
POLARITY_DOMAINS = (
    ("story", "cast", "ending", "soundtrack", "camera work", "dialogue"),
    ("room", "reception desk", "breakfast", "swimming pool", "mattress", "view"),
    ("screen", "battery", "keyboard", "charger", "speaker", "touchpad"),
    ("soup", "main course", "dessert", "service", "wine list", "table"),
    ("teacher", "course book", "first lesson", "homework", "final exam", "classroom"),
)
POLARITY_IRRELEVANT = (
    "the weather outside was {phrase}", "the bus ride home was {phrase}",
    "my uncle's new haircut was {phrase}", "a song on the radio was {phrase}",
    "last week's football match was {phrase}", "the leaflet called the {subject} {phrase}",
    "my neighbour had guessed that the {subject} would be {phrase}",
    "some people online say that the {subject} was {phrase}", "last year the {subject} had been {phrase}",
)

EMOTION_WORDS: Mapping[str, tuple[str, ...]] = {
    "anger": ("annoyed", "irritated", "cross", "angry", "furious", "enraged", "outraged", "livid", "resentful"),
    "joy": ("glad", "happy", "pleased", "cheerful", "delighted", "thrilled", "overjoyed", "elated", "merry"),
    "optimism": (
        "hopeful", "confident", "optimistic", "encouraged", "reassured", "upbeat", "expectant", "determined", "bullish",
    ),
    "sadness": ("sad", "gloomy", "downcast", "wistful", "miserable", "heartbroken", "sorrowful", "desolate", "tearful"),
}  # fmt: skip
# {felt} carries the label; {other} is another emotion, denied or outweighed.
EMOTION_NEGATED = (
    "not {other} but {felt}", "{felt} and not {other}", "{felt} rather than {other}", "no longer {other} but {felt}",
)  # fmt: skip
EMOTION_DIMINISHED = (
    "a little {other} but mostly {felt}", "mostly {felt} and a little {other}", "more {felt} than {other}",
    "slightly {other} yet far more {felt}", "less {other} than {felt}",
)
EMOTION_CLAUSES = (
    "I felt {phrase} about the {subject}", "the {subject} left me {phrase}",
    "the {subject} made me feel {phrase}", "I was {phrase} because of the {subject}",
)
EMOTION_DOMAINS = (
    ("new timetable", "staff meeting", "pay review", "office move", "shift plan", "project report"),
    ("train strike", "road works", "bus fares", "cycle lane", "night ferry", "parking rules"),
    ("exam results", "school trip", "term paper", "music class", "chess club", "reading list"),
    ("match score", "transfer news", "new coach", "season opener", "cup draw", "training camp"),
    ("family visit", "garden plans", "house sale", "birthday party", "phone call", "old photos"),
)
EMOTION_IRRELEVANT = (
    "a man on the platform looked {phrase}", "the hero of my novel was {phrase}",
    "some stranger online was {phrase}", "the singer on the radio sounded {phrase}",
    "my cousin's landlord seemed {phrase}", "my brother felt {phrase} about the {subject}",
    "the {subject} left my neighbour {phrase}", "last year the {subject} had made me {phrase}",
    "people guessed that the {subject} would make me {phrase}",
)

NEUTRAL = (
    "we went on a rainy tuesday", "it took about two hours in all", "my sister paid with her card",
    "there were nine of us that day", "I wrote this down in the evening", "I kept the receipt in a drawer",
    "a friend told me about it in march", "the whole thing started at noon", "they sent the details by post",
)
CONTRAST_FRAMES = (
    "although {aside}, {main}", "{main}, although {aside}", "even though {aside}, {main}",
    "{main}, even if {aside}", "{aside}, but {main}", "{aside}, yet {main}",
    "{aside}; all the same, {main}", "{main}, for all that {aside}",
)
OTHER_FRAMES = ("{aside}, and {main}", "{main}, and {aside}", "{aside}; {main}", "{main}; {aside}")
# fmt: on
