"""The vocabulary of the stand-in model: what callers say for yes and no, and about what."""

from __future__ import annotations

# Regular expressions over plain words (lower case, no punctuation), alternatives set apart by " | " and line breaks.
YES = r"""
    yes | yeah | yep | yup | yah | sure | okay | ok | all ?right | correct | exactly | precisely | perfect
    great | lovely | wonderful | excellent | brilliant | fantastic | super | cool | absolutely | definitely
    certainly | of course | indeed | fine | right | good | works? | go ahead | go for it | please do | do it
    do that | book (?:it|that|me in) | confirm(?:ed)? | let's | uh huh | uhhuh | mm ?hmm? | mhm | i'll take
    i will take | i'll have | take it | it is | i do | i would | you got it | spot on | suits? | please
    that's it | that is it
"""
NO = r"""
    no | nope | nah | not | wrong | incorrect | never | neither | none | don't | do not | doesn't | isn't
    won't | can't | cannot | negative
"""
TOPICS = {
    "bye": r"""
        bye | goodbye | good bye | bye bye | see you | see ya | hang up | good night | take care | have to go
        got to go | gotta go
        (?:i'll|i will|let me|i can|i might|i'd) (?:just )?(?:call|ring|phone|try) (?:you )?(?:back|again|later|another)
        have a (?:good|nice|great|lovely|wonderful) \w+ | (?:talk|speak) to you (?:later|soon)
        i'll think about it
    """,
    "done": r"""
        that's all | that is all | that's it | that is it | that'll be all | that will be all | nothing else
        nothing more | i'm good | i'm fine | i'm all set | all set | i'm done | all good | never ?mind
        forget (?:it|about it|that) | thanks? | thank you
    """,
    "drop": r"""
        never ?mind | forget (?:it|about it|that) | cancel (?:it|that) | cancel
    """,
    "not_at_all": r"""
        (?:don't|do not) (?:really )?(?:want|need) (?:to (?:book|make|have)|an appointment|it|anything|one) | after all
        not interested | (?:don't|do not) book | rather not book
    """,
    "as_well": r"""
        also | too | as well | another | in addition | on top
    """,
    "repeat": r"""
        ^(?:(?:i'm )?sorry|pardon(?: me)?|what|excuse me|huh|again(?: please)?)$ | repeat
        say (?:that|it|this|those|them) again | come again | what did you say | what was that
        what were (?:they|those) | (?:didn't|did not|couldn't|can't) (?:quite )?(?:hear|catch|get|understand)
        one more time | once more | tell me again | say again | pardon
    """,
    "recall": r"""
        what (?:time|day) (?:was|is) (?:it|that) | which (?:time|day) (?:was|is) (?:it|that)
        when (?:was|is) (?:it|that)
    """,
    "hold": r"""
        hold on | hang on | (?:one|just a|give me a|wait a) (?:moment|second|sec|minute) | bear with me | wait
        let me (?:check|see|think|look|get) | checking
    """,
    "presence": r"""
        are you (?:still )?there | is (?:anyone|anybody|someone) there | can you hear me | anybody there
    """,
    "how_are_you": r"""
        how are you | how's it going | how is it going | how are things | how do you do | nice to (?:meet|talk)
        what's up
    """,
    "robot": r"""
        are you (?:really )?(?:a |an )?(?:robot|machine|computer|bot|ai|human|person|real|recording|automated)
        (?:is this|am i (?:talking|speaking) (?:to|with)) (?:an? )?(?:real |actual )?(?:robot|machine|computer|bot|ai)
        (?:is this|am i (?:talking|speaking) (?:to|with)) (?:an? )?(?:real |actual )?(?:human|person|recording)
        who (?:are you|is this|am i) | what's your name | what is your name
    """,
    "why": r"""
        ^why$ | why do you | what do you need | what for | why would
    """,
    "scope": r"""
        pay | paying | payment | credit card | card | cash | price | prices | cost | costs | how much | charge
        fee | fees | insurance | invoice | refund | park | parking | address | where are you | located
        directions | (?:speak|talk) (?:to|with) | human | operator | manager | real person | representative
        website | job | complain\w* | warranty | opening hours | weather | joke | discount | order | delivery
    """,
    "book": r"""
        book | booking | appointments? | schedule | reserve | come in | come by | drop by | stop by | get in
        fit me in | see (?:someone|somebody|you) | visit | meeting | consultation | slots? | openings?
        available | availability | free | do you have | have you got | you got | anything | something
        what times? | which times? | what days? | when (?:can|could|are|is|do|would) | soonest | earliest
        as soon as possible | asap | next available
    """,
    "look": r"""
        do you have | have you got | you got | anything | something | any other | other | else | more | another
    """,
    "later": r"""
        later | after that
    """,
    "earlier": r"""
        earlier | sooner | before that
    """,
    "others": r"""
        (?:other|another|different|else|more) (?:days?|times?|slots?|options?|openings?|ones|week)
        another one | a different one | (?:anything|something) else
    """,
    "none": r"""
        none | neither | nothing | no good | not good | doesn't work | don't work | won't work | can't make
        can't do | too (?:early|late|soon)
    """,
    "either": r"""
        either | whichever | whatever | any of (?:them|those|these) | any (?:one|time|day)
        anything (?:works|is fine|goes) | (?:doesn't|does not) matter | (?:don't|do not) (?:mind|care)
        no preference | you (?:choose|pick|decide) | up to you | surprise me | both
    """,
    "that": r"""
        that one | this one | take (?:it|that) | have (?:it|that) | i'll take | book it
        that's (?:fine|good|great|perfect)
    """,
    "nth": r"""
        (?:first|second|third|last|other|middle) (?:one|slot|option)
    """,
    "the_other": r"""
        the other (?:one|time|slot|option)
    """,
    "same_time": r"""
        same time
    """,
    "the_name": r"""
        (?:the|my) name
    """,
    "the_time": r"""
        (?:the|a different|another) (?:time|day|date)
    """,
    "the_email": r"""
        (?:the|my) e ?mail
    """,
    "withhold": r"""
        rather not | don't (?:have|want|use) | do not (?:have|want) | skip | without | prefer not | haven't got
        not comfortable | no
    """,
    "nudge": r"""
        silent | silence | quiet | still there | not said | hasn't said | has not said | not spoken
        not answered | idle
    """,
    "part": r"""
        goodbye | good bye | farewell | end the call | hang up | end_call
    """,
    "unheard": r"""
        not understood | not be understood | understand | could not | couldn't | not hear | unclear | inaudible
        not catch | nothing was
    """,
}

# Words that are part of no name; May, April, Will, Grace, Mark and their like are left out on purpose.
NO_NAME = """
    a about actually after afternoon again agree ah all already also always an and another any anybody anyone
    anything appointment appointments are around as ask at available back bad be because been before best better
    between book booked booking both bother busy but by bye call called caller calling can can't cancel cannot card
    change check choose come coming confirm consultation correct could couldn't day days did didn't different do
    does doesn't don't done earlier earliest early eight either eleven else email er erm evening every excuse
    fifteen find fine first five for forget forty four friday from full get give go going good goodbye got great had
    half happy has have haven't he hear hello help her here hey hi him his hm hmm hold how huh i i'd i'll i'm i've
    if in interested into is isn't it it's its job just know last late later let let's like listen little look
    looking lovely make maybe me mean meant meeting mhm mind mine mm mmm moment monday more morning move my name
    need needed neither never new next nice nine no none noon nope not nothing now number o'clock oclock of off oh
    ok okay on once one ones only open or other our out over pardon past perfect phone please prefer pretty problem
    put quarter question quite rather ready really repeat reschedule right robot said sat saturday say second see
    seven she should six skip slot slots so some somebody someone something soon sorry sound sounds speak spell
    still stop sunday sure take talk ten than thank thanks that that's the their them then there these they thing
    think third thirty this those three thursday time times to today today's tomorrow tonight too trying tuesday
    twelve twenty two uh uhm um until up urgent us using very wait wanna want wanted was wasn't way we wednesday
    week well were what what's whatever when where which whichever who whole why with won't work working works would
    wouldn't wrong yeah yep yes yet you your
"""

# What may stand before a name, and after it.
BEFORE_NAME = """
    yes yeah yep sure okay ok it's its it is my name name's i'm i am this that's the um uh uhm er erm ah hm hmm oh
    so well just you can call me put under full first last for and would be of course hi hello hey no nope sorry
    actually please surname make say see that was
"""
AFTER_NAME = """
    please thanks thank you here speaking spelled and ok okay is that's it so but
"""
